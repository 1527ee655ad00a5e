"""How the tiny model is fine-tuned: TRL's trainer with weighted tokens, and instructions that run once a batch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    PreTrainedTokenizerFast,
    PrinterCallback,
    Qwen2_5_VLForConditionalGeneration,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from training.common.progress import Progress
from training.qwen import tensors
from training.runs import resuming
from training.runs.budget import Budget, Clock
from training.synthetic.album import Page
from training.tiny_model import rows

LEARNING_RATE = 1e-3
LAST_RATE_FRACTION = 0.02
RAMP_STEPS = 60
KEPT_FRACTION = 0.4  # of the run at full learning rate; then linear to 2 %
SAVE_EVERY_STEPS = 50


def run(
    model: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    pages: Sequence[Page],
    *,
    budget: Budget,
    mix: rows.Mix,
    seed: int,
    directory: Path,
    threads: int,
) -> None:
    """Train `model` in place; a run that was killed goes on from its last checkpoint in `directory`."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    last = resuming.last_checkpoint(directory)
    clock = Clock(resuming.read_clock(last))
    collator = tensors.Collator(tokenizer)

    def collate(steps: list[dict[str, int]]) -> dict[str, list[tensors.Batch]]:
        # One item of the data set is one step: its number seeds the rows, so a resumed run draws the same ones.
        # The queries differ in length: each gets a batch of its own, which saves a quarter of the padding.
        rng = np.random.default_rng([seed, 2, steps[0]["step"]])
        return {"batches": [collator(part) for part in rows.draw(pages, mix, rng) if part]}

    trainer = _Trainer(
        model=model,
        args=_config(budget, directory, seed),
        train_dataset=Dataset.from_dict({"step": range(budget.steps)}),
        data_collator=collate,
        processing_class=tokenizer,
        callbacks=[_Timekeeper(budget, clock), resuming.KeepClock(clock)],
    )
    trainer.budget, trainer.clock = budget, clock
    trainer.remove_callback(PrinterCallback)  # ours shows progress
    # accelerate sets the number of threads to one when it starts.
    torch.set_num_threads(threads)
    trainer.train(resume_from_checkpoint=str(last) if last else None)


def _config(budget: Budget, directory: Path, seed: int) -> SFTConfig:
    return SFTConfig(
        output_dir=str(directory),
        max_steps=budget.steps,
        per_device_train_batch_size=1,
        learning_rate=LEARNING_RATE,
        weight_decay=0.05,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        seed=seed,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        max_length=None,
        save_steps=SAVE_EVERY_STEPS,
        save_total_limit=1,
        logging_steps=20,
        disable_tqdm=True,
        report_to=[],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


class _Trainer(SFTTrainer):
    """TRL's trainer with weighted tokens, instructions run once a batch, and a learning rate that knows the time."""

    budget: Budget
    clock: Clock

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        del num_training_steps  # the budget has them
        self.lr_scheduler = LambdaLR(
            optimizer or self.optimizer,
            lambda step: rate(fraction=self.budget.fraction(step, self.clock.elapsed_s), step=step),
        )
        return self.lr_scheduler

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        resuming.load_weights(resume_from_checkpoint, model or self.model)

    def compute_loss(
        self,
        model: Qwen2_5_VLForConditionalGeneration,
        inputs: dict[str, list[tensors.Batch]],
        return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Any:
        """Mean cross-entropy of the answers' tokens by their weights."""
        del num_items_in_batch
        total = torch.stack([summed(model, batch) for batch in inputs["batches"]]).sum()
        loss = total / sum(batch["weights"].sum() for batch in inputs["batches"])
        return (loss, {}) if return_outputs else loss


def rate(*, fraction: float, step: int) -> float:
    """The share of the learning rate at `fraction` of the run: a ramp, a plateau, then linear down to 2 %."""
    kept = min(1.0, (1 - min(1.0, fraction)) / (1 - KEPT_FRACTION))
    return min(1.0, (step + 1) / RAMP_STEPS) * (LAST_RATE_FRACTION + (1 - LAST_RATE_FRACTION) * kept)


def summed(model: Qwen2_5_VLForConditionalGeneration, batch: tensors.Batch) -> torch.Tensor:
    """Cross-entropy summed over the answers' tokens, each times its weight."""
    hidden, start = last_hidden(model, batch)
    labels, weights = batch["labels"][:, start + 1 :], batch["weights"][:, start + 1 :]
    answered = labels != tensors.IGNORED
    logits = model.lm_head(hidden[:, :-1][answered])
    return functional.cross_entropy(logits, labels[answered], reduction="none") @ weights[answered]


def last_hidden(model: Qwen2_5_VLForConditionalGeneration, batch: tensors.Batch) -> tuple[torch.Tensor, int]:
    """The text model's last states after the shared instructions, and where those end.

    Every row opens with the same instructions. They run once and all rows attend to the same keys, as the prefix
    cache does it in serving; gradients sum over the rows.
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


class _Timekeeper(TrainerCallback):
    """Ends the run in time, and shows progress."""

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self._budget = budget
        self._clock = clock
        self._loss = ""
        self._progress = Progress("fine-tuning", 1.0)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        del args
        done = self._budget.fraction(state.global_step, self._clock.elapsed_s)
        self._progress.show(min(1.0, done), f"step {state.global_step}{self._loss}")
        control.should_training_stop = control.should_training_stop or done >= 1
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
