"""A start and a set for runs of fine-tuning that take seconds, in this process or in a child process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.checkpoint import CheckpointCard
from training.synthetic import scene_files
from training.tiny_model import architecture, tiny, vocabulary

TIMEOUT_S = 600.0  # two processes that import all of training, on a busy machine


@dataclass(frozen=True, slots=True)
class TrainingGround:
    """An untrained tiny model and eight scenes."""

    model: Path
    data: Path

    @classmethod
    def build(cls, directory: Path) -> "TrainingGround":
        tokenizer = vocabulary.train_tokenizer()
        card = CheckpointCard(**tiny.CARD)
        tiny.write_tiny_checkpoint(architecture.build_tiny_model(tokenizer, 0), tokenizer, directory / "model", card)
        data = scene_files.write_scenes(directory / "data", count=8, first_seed=40, workers=1).parent
        return cls(directory / "model", data)

    def build_arguments(self, out: Path, *more: str) -> list[str]:
        plain = ["--profile", "tiny", "--rows", "2", "--micro-batch", "2", "--save-every", "2", "--epochs", "1.5"]
        return ["sft", str(self.model), "--data", str(self.data), "--out", str(out), *plain, *more]

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        environment = os.environ | {"ZOOMIN_TRAIN_THREADS": "1"}
        command = [sys.executable, "-m", "training", *arguments]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Wait until `reached` is true. Raises: AssertionError when the process ends or the time is over."""
    ends = time.monotonic() + TIMEOUT_S
    while not reached():
        assert process.poll() is None, f"it ended with {process.returncode}: {process.communicate()[1]}"
        assert time.monotonic() < ends, "it did not come so far"
        time.sleep(0.02)


def read_log(out: Path) -> list[dict[str, Any]]:
    """Read the complete lines of a run's journal of steps."""
    path = out / "sft" / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
