"""The part that our three trainers share: a killed run goes on from its last complete checkpoint.

`ResumableTrainer` stands before TRL's trainer among the bases, as in `class FineTuner(ResumableTrainer, SFTTrainer)`.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from peft import PeftModel
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, Trainer
from transformers.utils import logging

from pipeline.errors import BadSettings
from training.runs import processes, resuming
from training.runs.budget import Clock
from training.runs.resuming import ClockCallback


class ResumableTrainer(Trainer):
    """Replaces hooks of transformers' trainer for runs that may be killed.

    `rate` gives the share of the learning rate at a step.
    """

    rate: Callable[[int], float]

    def train_from(self, last: Path | None, *, rate: Callable[[int], float], clock: Clock, threads: int) -> None:
        """Train from the checkpoint `last` on, or from the start without one, and write the clock into checkpoints.

        Raises: TrainingFailed when a checkpoint cannot be written.
        """
        self.rate = rate
        self.add_callback(ClockCallback(clock))
        self.remove_callback(PrinterCallback)  # the journals show progress
        processes.set_threads(threads)  # accelerate has set it to one
        self.train(resume_from_checkpoint=str(last) if last else None)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """Follow `rate`, which knows the length of the run."""
        del num_training_steps
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, lambda step: self.rate(step))
        return self.lr_scheduler

    def describe_last_checkpoint(self) -> str:
        """Return the part of an error message that says which checkpoint remains."""
        last = resuming.find_last_checkpoint(Path(str(self.args.output_dir)))
        return f"{last} stays and the same command goes on from there" if last else "no checkpoint was written yet"

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with resuming.translate_write_errors(
            f"the checkpoint of step {self.state.global_step}", self.describe_last_checkpoint()
        ):
            super()._save_checkpoint(model, trial)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        """Load whole weights by the names of the modules; adapters and shards load as transformers does it."""
        loaded = model or self.model
        sharded = self.accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)
        if sharded or isinstance(loaded, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            resuming.load_weights(resume_from_checkpoint, loaded)

    def create_model_card(self, *_: object, **__: object) -> None:
        """Write none: the checkpoint card and the run's directory say more."""


def silence_transformers() -> None:
    """Turn off what transformers prints by itself: users see the progress lines of the journals."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def list_shared_arguments(directory: Path, *, steps: int, seed: int, save_every: int, report_to: str) -> dict[str, Any]:
    """Return the trainer's arguments that all runs have in common."""
    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(directory),
        "max_steps": steps,
        "seed": seed,
        "optim": "adamw_torch_fused",
        "use_cpu": not on_gpu,
        "bf16": on_gpu,
        "save_steps": save_every,
        "save_total_limit": 2,  # the newest may be half written when the run is killed
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": report_to,
    }


def refuse_missing_reporter(report_to: str, is_installed: Callable[[str], object] = importlib.util.find_spec) -> None:
    """Raise before training starts. Raises: BadSettings when `report_to` names a package that is not installed."""
    if report_to != "none" and not is_installed(report_to):
        raise BadSettings(f"--report-to {report_to} needs the package {report_to}; install it or take --report-to none")
