"""Files that a killed run goes on from: the newest complete checkpoint, the time spent, and the weights."""

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


def find_last_checkpoint(directory: Path) -> Path | None:
    """Return the newest complete checkpoint; its clock is written last."""
    complete = [path.parent for path in directory.glob(f"checkpoint-*/{CLOCK_NAME}")]
    return max(complete, key=parse_step, default=None)


def parse_step(checkpoint: Path) -> int:
    """Return the step in the name of a checkpoint."""
    return int(checkpoint.name.rpartition("-")[2])


def write_clock(checkpoint: Path, elapsed_s: float) -> None:
    """Write the time spent, which marks the checkpoint as complete."""
    (checkpoint / CLOCK_NAME).write_text(json.dumps({"elapsed_s": elapsed_s}))


class ClockCallback(TrainerCallback):
    """Writes the time spent into each checkpoint, last of all.

    It runs in every process, because all ask for a shared clock at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        del control
        elapsed_s = self._clock.elapsed_s
        if state.is_world_process_zero:
            write_clock(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}", elapsed_s)


def read_clock(checkpoint: Path | None) -> float:
    """Return the seconds spent until the checkpoint; 0 without one."""
    if checkpoint is None:
        return 0.0
    return float(json.loads((checkpoint / CLOCK_NAME).read_text())["elapsed_s"])


def load_weights(checkpoint: str, model: torch.nn.Module) -> None:
    """Load the checkpoint's weights by the names of the modules.

    transformers' trainer looks for the names of the file, which differ for this architecture: it warns of missing keys
    and goes on with the weights that it had.
    """
    saved = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint, dtype=next(model.parameters()).dtype)
    model.load_state_dict(saved.state_dict())


def delete_unfinished(directory: Path) -> None:
    """Delete incomplete checkpoints; otherwise they count towards `save_total_limit`."""
    for path in directory.glob("checkpoint-*"):
        if not (path / CLOCK_NAME).exists():
            shutil.rmtree(path)


@contextmanager
def translate_write_errors(subject: str, remaining: str) -> Iterator[None]:
    """Turn the errors that torch and safetensors raise on a full disk into one sentence.

    Raises: TrainingFailed, which says that `subject` could not be written, and then `remaining`.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and type(error) is not RuntimeError:
            raise  # an error of a device or of another process has a type of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingFailed(
            f"{subject} could not be written ({reason}); {remaining}; make room and run it again"
        ) from error
