"""The log of a fine-tuning run: one JSON line a step with its rows and its speed, and a line on the terminal."""

import json
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.common.progress import Progress
from training.runs.budget import Clock

LOG_NAME = "log.jsonl"


class SftJournal(TrainerCallback):
    """Writes each line when its step ends."""

    def __init__(self, directory: Path, clock: Clock, steps: int) -> None:
        self._path = directory / LOG_NAME
        self._clock = clock
        self._progress = Progress("fine-tuning", steps)
        self._rows: list[int] = []
        self._tokens = 0.0
        self._ended_s = clock.elapsed_s

    def add_rows(self, rows: list[int]) -> None:
        """Add the numbers of the rows of one batch, of all devices."""
        self._rows += rows

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        del args, control
        if not logs or "loss" not in logs or not state.is_world_process_zero:
            return
        now_s = self._clock.elapsed_s
        step_s, self._ended_s = max(1e-9, now_s - self._ended_s), now_s
        tokens, self._tokens = logs["num_tokens"] - self._tokens, logs["num_tokens"]
        line = {
            "step": state.global_step,
            **{name: round(float(logs[name]), 8) for name in ("loss", "grad_norm", "learning_rate")},
            "step_s": round(step_s, 3),
            "tokens": int(tokens),
            "tokens_per_s": round(tokens / step_s, 1),
            "rows": self._rows,
        }
        self._rows = []
        with self._path.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        speed = f"{step_s:.2f} s a step, {tokens / step_s:,.0f} tokens/s"
        self._progress.show(state.global_step, f"step {state.global_step}, loss {logs['loss']:.3f}, {speed}")
