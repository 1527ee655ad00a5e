import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from training.__main__ import _build_parser
from training.common.machine import GIB, Gpus
from training.dry_run import chain
from training.dry_run.chain import Way
from training.dry_run.step import DryStep


def plan(model: str, gpus: int, **changes: Any) -> dict[str, DryStep]:
    way = Way(model, "photos", Path("sets/own"), Path("build"), "production", changes, Gpus(gpus, 80 * GIB, 2048 * GIB))
    return {step.title: step for step in chain.plan_way(way)}


def test_a_7b_goes_the_whole_way_on_eight_gpus() -> None:
    steps = plan("7b", 8)
    assert list(steps) == ["build", "sft", "grpo stage 1", "grpo stage 2", "calibrate", "evaluate", "serve"]
    assert not [step for step in steps.values() if step.refusal]
    assert all(step.memory for name, step in steps.items() if name != "build")


def test_each_step_reads_what_the_one_before_it_wrote() -> None:
    steps = list(plan("7b", 8).values())
    written = {path for step in steps for path in step.writes}
    for step in steps[1:]:
        assert written & set(step.reads), step.title


@pytest.mark.parametrize("model", ["7b", "32b"])
def test_every_command_is_one_that_the_parser_takes(model: str) -> None:
    for step in plan(model, 8, trained="lora").values():
        words = [word for word in shlex.split(step.command_line) if "=" not in word.partition("/")[0]]
        if "training" in words or words[0] == "zoomin-train":
            typed = words[words.index("training" if "training" in words else "zoomin-train") + 1 :]
            assert _build_parser(typed).parse_args(typed).verb == typed[0]


def test_a_7b_on_one_gpu_is_refused_at_its_trainings_and_a_32b_at_grpo() -> None:
    assert [name for name, step in plan("7b", 1).items() if step.refusal] == ["sft", "grpo stage 1", "grpo stage 2"]
    assert [name for name, step in plan("32b", 8).items() if step.refusal] == ["grpo stage 1", "grpo stage 2"]
    assert not [name for name, step in plan("32b", 8, trained="lora").items() if step.refusal]


@pytest.mark.parametrize("document", ["README.md", "docs/how-to/train-a-model.md"])
def test_the_documents_show_the_commands_that_a_dry_run_of_a_7b_shows(document: str) -> None:
    text = (ROOT / document).read_text()
    (launcher,) = re.findall(r"train\(\) { (.*) \"\$@\"; }", text)
    shown = [shlex.split(f"{launcher} {line}") for line in re.findall(r"^    train (.*)$", text, re.MULTILINE)]
    data = shown[0][shown[0].index("--data") + 1]
    way = Way("7b", "photos/", Path(data), Path("build"), "production", {}, Gpus(8, 80 * GIB, 1024 * GIB))
    planned = {step.title: step.command for step in chain.plan_way(way)}
    trained = [planned[title] for title in ("sft", "grpo stage 1", "grpo stage 2")]
    assert [sorted(words) for words in shown] == [sorted(words) for words in trained]
    assert shlex.join(planned["build"]) in text
