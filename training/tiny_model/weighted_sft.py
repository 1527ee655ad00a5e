"""Fine-tuning of the tiny model: TRL's trainer with weighted tokens, and instructions that run once a batch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.nn import functional
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLForConditionalGeneration,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from training.common.progress import Progress
from training.qwen import tensors
from training.runs import resumable, resuming
from training.runs.budget import Budget, Clock
from training.runs.resumable import ResumableTrainer
from training.synthetic.album import Page
from training.tiny_model import rows
from training.tiny_model.run_config import Mix

LEARNING_RATE = 1e-3
LAST_RATE_FRACTION = 0.02
RAMP_STEPS = 60
PLATEAU_FRACTION = 0.4  # of the run at full learning rate; then linear to 2 %
SAVE_EVERY_STEPS = 50
Collate = Callable[[list[dict[str, int]]], dict[str, list[tensors.Batch]]]
Watch = Callable[[int, Qwen2_5_VLForConditionalGeneration], bool]
"""gets the step and the model in training, and returns whether training ends there"""


def train_weighted(
    model: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    pages: Sequence[Page],
    *,
    budget: Budget,
    mix: Mix,
    seed: int,
    directory: Path,
    threads: int,
    watch: Watch | None = None,
) -> None:
    """Train `model` in place; a killed run goes on from its last checkpoint in `directory`.

    `watch` is called after each step and may end training before the budget does.
    Raises: TrainingFailed when a checkpoint cannot be written.
    """
    resumable.silence_transformers()
    last = resuming.find_last_checkpoint(directory)
    clock = Clock(resuming.read_clock(last))
    trainer = WeightedTrainer(
        model=model,
        args=build_tiny_config(budget, directory, seed),
        train_dataset=Dataset.from_dict({"step": range(budget.steps)}),
        data_collator=build_tiny_collator(tokenizer, pages, mix, seed),
        processing_class=tokenizer,
        callbacks=[TimekeeperCallback(budget, clock, watch)],
    )

    def compute_rate(step: int) -> float:
        return compute_tiny_rate(fraction=budget.measure_progress(step, clock.elapsed_s), step=step)

    trainer.train_from(last, rate=compute_rate, clock=clock, threads=threads)


def build_tiny_collator(tokenizer: PreTrainedTokenizerFast, pages: Sequence[Page], mix: Mix, seed: int) -> Collate:
    """Build the collator that draws a step's rows; an item of the data set is the number of a step.

    The number seeds the drawing, so a resumed run draws the same rows.
    """
    collator = tensors.Collator(tokenizer)

    def collate(steps: list[dict[str, int]]) -> dict[str, list[tensors.Batch]]:
        rng = np.random.default_rng([seed, 2, steps[0]["step"]])
        # The queries differ in length: each gets a batch of its own, which saves a quarter of the padding.
        return {"batches": [collator(part) for part in rows.draw_step(pages, mix, rng) if part]}

    return collate


def build_tiny_config(budget: Budget, directory: Path, seed: int) -> SFTConfig:
    """Build the trainer's arguments; the tiny model trains on the CPU."""
    shared = resumable.list_shared_arguments(
        directory, steps=budget.steps, seed=seed, save_every=SAVE_EVERY_STEPS, report_to="none"
    )
    own = {
        "per_device_train_batch_size": 1,
        "learning_rate": LEARNING_RATE,
        "weight_decay": 0.05,
        "adam_beta2": 0.98,
        "max_grad_norm": 1.0,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "max_length": None,
        "save_total_limit": 1,
        "logging_steps": 20,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
    }
    return SFTConfig(**shared | own)


class WeightedTrainer(ResumableTrainer, SFTTrainer):
    """TRL's trainer with weighted tokens, and instructions that run once a batch."""

    def compute_loss(
        self,
        model: Qwen2_5_VLForConditionalGeneration,
        inputs: dict[str, list[tensors.Batch]],
        return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Any:
        """Return the mean cross-entropy of the answers' tokens by their weights."""
        del num_items_in_batch
        total = torch.stack([sum_weighted_loss(model, batch) for batch in inputs["batches"]]).sum()
        loss = total / sum(batch["weights"].sum() for batch in inputs["batches"])
        return (loss, {}) if return_outputs else loss


def compute_tiny_rate(*, fraction: float, step: int) -> float:
    """Return the share of the learning rate at `fraction` of the run: a ramp, a plateau, then linear down to 2 %."""
    left = min(1.0, (1 - min(1.0, fraction)) / (1 - PLATEAU_FRACTION))
    return min(1.0, (step + 1) / RAMP_STEPS) * (LAST_RATE_FRACTION + (1 - LAST_RATE_FRACTION) * left)


def sum_weighted_loss(model: Qwen2_5_VLForConditionalGeneration, batch: tensors.Batch) -> torch.Tensor:
    """Sum the cross-entropy over the answers' tokens, each times its weight."""
    hidden, start = compute_last_hidden(model, batch)
    labels, weights = batch["labels"][:, start + 1 :], batch["weights"][:, start + 1 :]
    answered = labels != tensors.IGNORED
    logits = model.lm_head(hidden[:, :-1][answered])
    return functional.cross_entropy(logits, labels[answered], reduction="none") @ weights[answered]


def compute_last_hidden(model: Qwen2_5_VLForConditionalGeneration, batch: tensors.Batch) -> tuple[torch.Tensor, int]:
    """Compute the text model's last states after the shared instructions, and where those end.

    Every row opens with the same instructions. They run once and all rows attend to the same keys, as with the
    prefix cache in serving; gradients sum over the rows.
    Shapes: [rows, length - start, hidden].
    """
    ids = batch["input_ids"]
    start = int(batch["mm_token_type_ids"][0].argmax())  # the first image token
    if not bool((ids[:, :start] == ids[:1, :start]).all()):
        raise ValueError("the rows of one step open with different instructions")
    positions, _ = model.model.get_rope_index(
        ids, batch["mm_token_type_ids"], batch["image_grid_thw"], attention_mask=batch["attention_mask"]
    )
    opening = model.model.language_model(
        input_ids=ids[:1, :start], position_ids=positions[:, :1, :start], use_cache=True
    )
    cache = opening.past_key_values
    cache.batch_repeat_interleave(len(ids))
    rest = model.model(
        input_ids=ids[:, start:],
        attention_mask=batch["attention_mask"],
        position_ids=positions[:, :, start:],
        past_key_values=cache,
        pixel_values=batch["pixel_values"],
        image_grid_thw=batch["image_grid_thw"],
        use_cache=True,
    )
    return rest.last_hidden_state, start


class TimekeeperCallback(TrainerCallback):
    """Ends the run in time or where `watch` says so, and shows progress."""

    def __init__(self, budget: Budget, clock: Clock, watch: Watch | None = None) -> None:
        self._budget = budget
        self._clock = clock
        self._watch = watch
        self._loss = ""
        self._progress = Progress("fine-tuning", 1.0)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Qwen2_5_VLForConditionalGeneration | None = None,
        **_: object,
    ) -> TrainerControl:
        del args
        progress = self._budget.measure_progress(state.global_step, self._clock.elapsed_s)
        self._progress.show(min(1.0, progress), f"step {state.global_step}{self._loss}")
        found = self._watch is not None and model is not None and self._watch(state.global_step, model)
        control.should_training_stop = control.should_training_stop or progress >= 1 or found
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        del args, state, control
        if logs and "loss" in logs:
            self._loss = f", loss {float(logs['loss']):.3f}"
