"""Supervised fine-tuning of any Qwen2.5-VL by TRL's trainer: all parameters or adapters, alone or sharded."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast, ProcessorMixin, Qwen2_5_VLForConditionalGeneration
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from pipeline import prompts as query_prompts
from pipeline.checkpoint import CheckpointCard
from training.errors import TrainingFailed
from training.qwen import tensors
from training.runs import adapters, processes, resumable, resuming
from training.runs.budget import Clock
from training.runs.prompts import Prompt
from training.runs.resumable import ResumableTrainer
from training.sft import rows as sft_rows
from training.sft.journal import SftJournal
from training.sft.profiles import SftProfile

ROWS = "rows"  # of a batch: the numbers of its rows
LEARNED = "learned"  # of a row: the characters of its answer that are learned, None for all
REMEDY = "start anew with a lower --learning-rate and another --out"  # a changed value is another run


def train_sft(
    model: Qwen2_5_VLForConditionalGeneration,
    processor: ProcessorMixin,
    prompts: Sequence[Prompt],
    card: CheckpointCard,
    *,
    profile: SftProfile,
    seed: int,
    directory: Path,
    threads: int,
) -> "FineTuner":
    """Train `model` in place; a killed run goes on from its last checkpoint in `directory` with the same rows.

    Raises: TrainingFailed for a loss or gradient that is not finite, or a checkpoint that cannot be written.
    """
    resumable.silence_transformers()
    steps = profile.count_steps(len(prompts))
    last = resuming.find_last_checkpoint(directory)
    clock = Clock(resuming.read_clock(last))
    journal = SftJournal(directory, clock, steps)
    trainer = FineTuner(
        model=model,
        args=build_sft_config(profile, steps, directory, seed),
        train_dataset=build_sft_dataset(prompts, card, profile.box_grid),
        data_collator=build_collator(processor),
        processing_class=processor,
        peft_config=adapters.build_lora_config(profile),
        callbacks=[journal],
    )
    trainer.journal = journal
    trainer.train_from(last, rate=lambda step: profile.compute_rate(step, steps), clock=clock, threads=threads)
    return trainer


def build_sft_dataset(prompts: Sequence[Prompt], card: CheckpointCard, box_grid: int) -> Dataset:
    """Build rows when the trainer takes them: a set of photographs need not fit into memory."""

    def build_rows(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        examples = [sft_rows.build_example(prompts[number], card, box_grid) for number in batch["number"]]
        return {
            "prompt": [query_prompts.build_chat(example.query) for example in examples],
            "completion": [
                [{"role": "assistant", "content": [{"type": "text", "text": example.answer}]}] for example in examples
            ],
            "images": [[image.pixels for image in example.query.images] for example in examples],
            "number": batch["number"],
            LEARNED: [
                sft_rows.find_learned_end(prompts[number], example.answer)
                for number, example in zip(batch["number"], examples, strict=True)
            ],
        }

    return Dataset.from_dict({"number": range(len(prompts))}).with_transform(build_rows)


def build_collator(processor: ProcessorMixin) -> Callable[[list[dict[str, Any]]], tensors.Batch]:
    """Add the rows' numbers to each batch of TRL's own collator, in which every crop follows its caption.

    Loss falls on the answer, and of a partly known answer on its known start.
    """
    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)

    def collate_numbered(examples: list[dict[str, Any]]) -> tensors.Batch:
        numbers = torch.tensor([example.pop("number") for example in examples])
        answers = [example["completion"][0]["content"][0]["text"] for example in examples]
        ends = [example.pop(LEARNED) for example in examples]
        batch = collate(examples)
        for labels, answer, end in zip(batch["labels"], answers, ends, strict=True):
            if end is not None:
                _ignore_after(labels, _count_tokens(processor.tokenizer, answer, end))
        return {**batch, ROWS: numbers}

    return collate_numbered


def _count_tokens(tokenizer: PreTrainedTokenizerFast, answer: str, end: int) -> int:
    """Count the tokens of an answer that lie before character `end`; one that reaches beyond it is not counted."""
    offsets = tokenizer(answer, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return sum(stop <= end for _, stop in offsets)


def _ignore_after(labels: torch.Tensor, count: int) -> None:
    """Ignore all labels of a row but the first `count`."""
    (places,) = torch.nonzero(labels != tensors.IGNORED, as_tuple=True)
    labels[places[count:]] = tensors.IGNORED


def build_sft_config(profile: SftProfile, steps: int, directory: Path, seed: int) -> SFTConfig:
    """Translate the profile into the trainer's arguments.

    Raises: BadSettings when the devices cannot share a step's rows.
    """
    shared = resumable.list_shared_arguments(
        directory, steps=steps, seed=seed, save_every=profile.save_every, report_to=profile.report_to
    )
    config = SFTConfig(
        **shared,
        data_seed=seed,
        per_device_train_batch_size=profile.micro_batch,
        learning_rate=profile.learning_rate,
        weight_decay=profile.weight_decay,
        adam_beta2=profile.adam_beta2,
        max_grad_norm=profile.max_gradient,
        gradient_checkpointing=profile.checkpointing,
        max_length=None,  # a cut would take placeholders and leave their pixels
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        dataloader_drop_last=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    config.gradient_accumulation_steps = processes.count_batches(
        profile.rows, at_once=profile.micro_batch, devices=config.world_size
    )
    return config


class FineTuner(ResumableTrainer, SFTTrainer):
    """TRL's trainer that stops before a loss or gradient which is not finite reaches a checkpoint."""

    journal: SftJournal

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        numbers = inputs.pop(ROWS)
        loss = super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[no-untyped-call]  # of TRL
        if not bool(loss.isfinite()):
            raise TrainingFailed(
                f"the loss is {loss.item()} in step {self.state.global_step + 1}, rows {numbers.tolist()}; "
                f"{self.describe_last_checkpoint()}; look at those rows, or {REMEDY}"
            )
        self.journal.add_rows(self.accelerator.gather(numbers).tolist())
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        if norm is not None and not bool(torch.as_tensor(norm).isfinite()):  # DeepSpeed may not know it yet
            raise TrainingFailed(
                f"the gradient is {float(norm)} in step {self.state.global_step + 1}; "
                f"{self.describe_last_checkpoint()}; {REMEDY}"
            )
        return norm
