"""Supervised fine-tuning of any Qwen2.5-VL by TRL's trainer: all parameters or adapters, alone or sharded."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    PrinterCallback,
    ProcessorMixin,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from pipeline import prompts
from pipeline.checkpoint import CheckpointCard
from training.errors import TrainingFailed
from training.qwen import tensors
from training.runs import adapters, processes, resuming
from training.runs.budget import Clock
from training.runs.prompts import Question
from training.sft import rows as sft_rows
from training.sft.journal import Journal
from training.sft.profiles import Profile

ROWS = "rows"  # of a batch: the numbers of its rows
ANEW = "start anew with a lower --learning-rate and another --out"  # a changed value is another run


def fine_tune(
    model: Qwen2_5_VLForConditionalGeneration,
    processor: ProcessorMixin,
    asked: Sequence[Question],
    card: CheckpointCard,
    *,
    profile: Profile,
    seed: int,
    directory: Path,
    threads: int,
) -> "FineTuner":
    """Train `model` in place; a run that was killed goes on from its last checkpoint in `directory`, row for row.

    Raises: TrainingFailed for a loss that is no number, or a checkpoint that cannot be written.
    """
    logging.set_verbosity_error()
    steps = profile.steps(len(asked))
    last = resuming.last_checkpoint(directory)
    clock = Clock(resuming.read_clock(last))
    journal = Journal(directory, clock, steps)
    trainer = FineTuner(
        model=model,
        args=_config(profile, steps, directory, seed),
        train_dataset=_dataset(asked, card, profile.box_grid),
        data_collator=_collator(processor),
        processing_class=processor,
        peft_config=adapters.config(profile),
        callbacks=[journal, resuming.KeepClock(clock)],
    )
    trainer.profile, trainer.steps, trainer.journal = profile, steps, journal
    trainer.remove_callback(PrinterCallback)  # the journal shows progress
    torch.set_num_threads(threads)  # accelerate has set it to one
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    return trainer


def _dataset(asked: Sequence[Question], card: CheckpointCard, box_grid: int) -> Dataset:
    """Rows that are made when the trainer takes them: a set of photographs need not fit into memory."""

    def made(taken: dict[str, list[int]]) -> dict[str, list[Any]]:
        pairs = [sft_rows.row(asked[number], card, box_grid) for number in taken["number"]]
        return {
            "prompt": [prompts.chat(one.query) for one in pairs],
            "completion": [[{"role": "assistant", "content": [{"type": "text", "text": one.answer}]}] for one in pairs],
            "images": [list(one.query.images) for one in pairs],
            "number": taken["number"],
        }

    return Dataset.from_dict({"number": range(len(asked))}).with_transform(made)


def _collator(processor: ProcessorMixin) -> Callable[[list[dict[str, Any]]], tensors.Batch]:
    """TRL's own, which lets each crop follow its caption; the rows' numbers go with the batch, for the journal."""
    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)

    def numbered(examples: list[dict[str, Any]]) -> tensors.Batch:
        numbers = torch.tensor([example.pop("number") for example in examples])
        return {**collate(examples), ROWS: numbers}

    return numbered


def _config(profile: Profile, steps: int, directory: Path, seed: int) -> SFTConfig:
    on_gpu = torch.cuda.is_available()
    config = SFTConfig(
        output_dir=str(directory),
        max_steps=steps,
        per_device_train_batch_size=profile.micro_batch,
        learning_rate=profile.learning_rate,
        weight_decay=profile.weight_decay,
        adam_beta2=profile.adam_beta2,
        max_grad_norm=profile.max_gradient,
        optim="adamw_torch_fused",
        seed=seed,
        data_seed=seed,
        use_cpu=not on_gpu,
        bf16=on_gpu,
        gradient_checkpointing=profile.checkpointing,
        max_length=None,  # a cut would take placeholders and leave their pixels
        save_steps=profile.save_every,
        save_total_limit=2,  # the newest may be half written when the run is killed
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        remove_unused_columns=False,
        dataloader_drop_last=True,
        dataloader_pin_memory=on_gpu,
    )
    config.gradient_accumulation_steps = processes.batches(
        profile.rows, at_once=profile.micro_batch, devices=config.world_size
    )
    return config


class FineTuner(SFTTrainer):
    """TRL's trainer with the profile's learning rate, that saves nothing bad and comes back with the right weights."""

    profile: Profile
    steps: int
    journal: Journal

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        del num_training_steps  # as many as the profile says
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, lambda step: self.profile.rate(step, self.steps))
        return self.lr_scheduler

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        numbers = inputs.pop(ROWS)
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        if not bool(loss.isfinite()):
            raise TrainingFailed(
                f"the loss is {loss.item()} in step {self.state.global_step + 1}, rows {numbers.tolist()}; "
                f"{self._stays()}; look at those rows, or {ANEW}"
            )
        self.journal.saw(self.accelerator.gather(numbers).tolist())
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        if norm is not None and not bool(torch.as_tensor(norm).isfinite()):  # DeepSpeed may not know it yet
            raise TrainingFailed(
                f"the gradient is {float(norm)} in step {self.state.global_step + 1}; {self._stays()}; {ANEW}"
            )
        return norm

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with resuming.writing(f"the checkpoint of step {self.state.global_step}", self._stays()):
            super()._save_checkpoint(model, trial)

    def _stays(self) -> str:
        last = resuming.last_checkpoint(Path(str(self.args.output_dir)))
        return f"{last} stays and the same command goes on from there" if last else "no checkpoint was written yet"

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        sharded = self.accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)
        if self.profile.trained == "all" and not sharded:
            resuming.load_weights(resume_from_checkpoint, model or self.model)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def create_model_card(self, *_: object, **__: object) -> None:
        """None: the checkpoint card and the run's record say more."""
