import argparse
from collections.abc import Callable

import pytest

from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from training.cli import dry_runs
from training.common.machine import GIB, Gpus, Machine
from training.dry_run import training_verb
from training.dry_run.shape import ModelShape
from training.dry_run.training_verb import TrainingVerb
from training.runs.profile_choice import ProfileChoice


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    dry_runs.add_planned_gpus(parser)
    return parser.parse_args(list(words))


def describe(size: str) -> Callable[[Gpus], TrainingVerb]:
    choice = ProfileChoice("production", {})
    return lambda _: training_verb.describe_sft(ModelShape.read(size), ["sft", size], choice, reads=[], out="out")


def see_gpus(monkeypatch: pytest.MonkeyPatch, count: int, memory_gib: float) -> None:
    monkeypatch.setattr(Machine, "read", classmethod(lambda cls: cls(("GPU",) * count, int(memory_gib * GIB))))
    monkeypatch.setattr(Machine, "host_bytes", 200 * GIB)


def test_words_are_those_of_the_run_itself() -> None:
    typed = ["sft", "7b", "--dry-run", "--gpus", "8", "--gpu-memory-gib=80", "--out", "out"]
    assert dry_runs.list_words(argparse.Namespace(typed=typed)) == ["sft", "7b", "--out", "out"]


def test_a_machine_without_gpus_plans_for_eight_of_80_gib() -> None:
    assert dry_runs.read_planned_gpus(parse()) == Gpus(8, 80 * GIB, 1024 * GIB)
    assert dry_runs.read_planned_gpus(parse("--gpus", "2", "--gpu-memory-gib", "40")) == Gpus(2, 40 * GIB, 256 * GIB)
    assert dry_runs.read_planned_gpus(parse("--host-memory-gib", "512")) == Gpus(8, 80 * GIB, 512 * GIB)


def test_a_machine_with_gpus_plans_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    see_gpus(monkeypatch, 4, 39.5)
    assert dry_runs.read_planned_gpus(parse()) == Gpus(4, int(39.5 * GIB), 200 * GIB)
    assert dry_runs.read_planned_gpus(parse("--gpus", "2")) == Gpus(2, int(39.5 * GIB), 256 * GIB)


def test_a_run_that_its_gpu_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    see_gpus(monkeypatch, 1, 79.1)
    with pytest.raises(BadSettings, match=r"sft, on one GPU, needs 143.7 GiB .*--lora"):
        dry_runs.refuse_unfit(describe("7b"))
    dry_runs.refuse_unfit(describe(str(MODEL)))


def test_without_a_gpu_nothing_is_refused() -> None:
    dry_runs.refuse_unfit(describe("7b"))
