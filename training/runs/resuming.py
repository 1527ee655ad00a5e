"""What a run needs to go on after it was killed: its newest whole checkpoint, the time spent, and the weights."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    Qwen2_5_VLForConditionalGeneration,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from training.errors import TrainingFailed
from training.runs.budget import Clock

CLOCK_NAME = "clock.json"


def last_checkpoint(directory: Path) -> Path | None:
    """The newest checkpoint that was written whole: its clock is written last."""
    whole = [path.parent for path in directory.glob(f"checkpoint-*/{CLOCK_NAME}")]
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def write_clock(checkpoint: Path, elapsed_s: float) -> None:
    (checkpoint / CLOCK_NAME).write_text(json.dumps({"elapsed_s": elapsed_s}))


class KeepClock(TrainerCallback):
    """Writes the time spent into each checkpoint, last of all. Every process runs it: the clock may be a shared one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        del control
        elapsed_s = self._clock.elapsed_s
        if state.is_world_process_zero:
            write_clock(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}", elapsed_s)


def read_clock(checkpoint: Path | None) -> float:
    if checkpoint is None:
        return 0.0
    return float(json.loads((checkpoint / CLOCK_NAME).read_text())["elapsed_s"])


def load_weights(checkpoint: str, model: torch.nn.Module) -> None:
    """The checkpoint's weights by the names of the modules.

    The trainer's own way takes the names in the file, which for this architecture are others: it warns of missing
    keys and goes on with the weights it had.
    """
    kept = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint, dtype=next(model.parameters()).dtype)
    model.load_state_dict(kept.state_dict())


def forget_unfinished(directory: Path) -> None:
    """Away with checkpoints that were being written when the run ended: they count among those that are kept."""
    for path in directory.glob("checkpoint-*"):
        if not (path / CLOCK_NAME).exists():
            shutil.rmtree(path)


@contextmanager
def writing(what: str, stays: str) -> Iterator[None]:
    """Raises: TrainingFailed for whatever torch and safetensors make of a full disk."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingFailed(f"{what} could not be written ({said}); {stays}; make room and run it again") from error
