import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.unit.training.grpo.test_run import build_run
from training.grpo import run as grpo_run
from training.grpo.greedy import GreedyGenerator
from training.grpo.run_config import GrpoRun
from training.grpo.validation import ValidationResult
from training.grpo.validator import Validator
from training.runs import resuming

START = ValidationResult(0, acc=0.9, i_acc=0.7, iou=0.7, iou_recall=0.7, iou_f1=0.7, boxes=2.0, unparsed=0.0, bleu2=0.9)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> GreedyGenerator:
    run = build_run(Path(), tmp_path_factory.mktemp("out"), stage=1)
    model, processor = grpo_run._load_start(run.start.path, run.profile.dtype)
    return GreedyGenerator(model, processor.tokenizer, run.start.card, 4)


@pytest.fixture
def run(tmp_path: Path) -> GrpoRun:
    run = build_run(Path(), tmp_path / "out", stage=1)
    run.directory.mkdir(parents=True)
    return run


@pytest.mark.parametrize(
    ("refused", "kept_steps"),
    [
        (None, [{10}, {10, 20}, {10, 20}, {10, 20}, {20, 50}]),
        (Path("refused"), [{10}, {10, 20}, {20, 30}, {20, 30, 40}, {20, 40, 50}]),
    ],
)
def test_weights_stay_until_others_have_been_better_twice(
    refused: Path | None, kept_steps: list[set[int]], run: GrpoRun, generator: GreedyGenerator
) -> None:
    validator = Validator(replace(run, refused=refused), generator, [])
    validator.results.append(START)
    f1 = {10: 0.75, 20: 0.8, 30: 0.6, 40: 0.6, 50: 0.9}
    for (step, iou_f1), wanted in zip(f1.items(), kept_steps, strict=True):
        validator._add_result(replace(START, step=step, iou_f1=iou_f1), Path.mkdir)
        assert {int(path.name.removeprefix("weights-")) for path in run.directory.glob("weights-*")} == wanted


def test_after_a_kill_what_was_validated_beyond_the_last_checkpoint_is_validated_again(
    run: GrpoRun, generator: GreedyGenerator
) -> None:
    lines = [json.dumps(asdict(replace(START, step=step))) for step in (0, 20, 40)]
    (run.directory / "validations.jsonl").write_text("\n".join(lines) + '\n{"step": 60, "ac')
    (run.directory / "checkpoint-25").mkdir()
    resuming.write_clock(run.directory / "checkpoint-25", 60.0)
    assert [result.step for result in Validator(run, generator, []).results] == [0, 20]


def test_what_was_validated_is_not_validated_again(run: GrpoRun, generator: GreedyGenerator) -> None:
    validator = Validator(run, generator, [])
    validator.results.append(START)
    validator.validate(0, generator.model, keep=None)
    assert validator.results == [START]
