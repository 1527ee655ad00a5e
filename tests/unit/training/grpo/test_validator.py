import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.verdict import BoundingBox, Verdict
from tests.unit.training.grpo.test_run import build_run
from training.dataset.labeled_image import LabeledImage
from training.evaluation import stored_predictions
from training.evaluation.metrics import Prediction
from training.grpo.run_config import GrpoRun
from training.grpo.validator import Validator
from training.runs import resuming
from training.runs.completions import ParsedCompletion
from training.runs.prompts import Prompt
from training.validation.result import summarize_predictions

BOX, OTHER = BoundingBox(0, 0, 10, 10), BoundingBox(40, 40, 50, 50)
ENTRIES = [LabeledImage(file="a.png", label=Verdict.REAL, boxes=[BOX.corners, OTHER.corners])]
START = [Prediction(Verdict.REAL, Verdict.REAL, Verdict.REAL, (BOX, OTHER), (BOX, OTHER))]
RESULT = summarize_predictions(0, START)


@dataclass(frozen=True, slots=True)
class Generator:
    """Answers every prompt with the same boxes."""

    regions: tuple[BoundingBox, ...]
    card: Any

    def generate(self, prompts: Sequence[Prompt], after_each: object) -> list[ParsedCompletion]:
        del after_each
        return [ParsedCompletion(Verdict.REAL, self.regions if prompt.is_scan else ()) for prompt in prompts]


@pytest.fixture
def run(tmp_path: Path) -> GrpoRun:
    run = build_run(Path(), tmp_path / "out", stage=1)
    run.directory.mkdir(parents=True)
    return run


def read_steps(run: GrpoRun) -> list[int]:
    return [json.loads(line)["step"] for line in (run.directory / "validations.jsonl").read_text().splitlines()]


def test_each_validation_is_a_line_with_its_predictions_beside_it(
    run: GrpoRun, capsys: pytest.CaptureFixture[str]
) -> None:
    validator = Validator(run, ENTRIES, START)
    validator.validate(20, Generator((BOX, OTHER), run.start.card))
    assert read_steps(run) == [0, 20]
    assert [result.step for result in validator.results] == [0, 20]
    predictions, engine = stored_predictions.read_predictions(run.validation_plan.locate_predictions("step-20"))
    assert [prediction.regions for prediction in predictions["own"]] == [(BOX, OTHER)]
    assert engine == "transformers"
    output = capsys.readouterr().err
    assert "validation at step 0: Acc 1.000" in output
    assert "validation at step 20: Acc 1.000" in output
    assert "boxes are left out" not in output


def test_after_a_kill_what_was_validated_beyond_the_last_checkpoint_is_validated_again(run: GrpoRun) -> None:
    lines = [json.dumps(asdict(replace(RESULT, step=step))) for step in (0, 20, 40)]
    (run.directory / "validations.jsonl").write_text("\n".join(lines) + '\n{"step": 60, "ac')
    (run.directory / "checkpoint-25").mkdir()
    resuming.write_clock(run.directory / "checkpoint-25", 60.0)
    assert [result.step for result in Validator(run, ENTRIES, START).results] == [0, 20]


def test_what_was_validated_is_not_validated_again(run: GrpoRun) -> None:
    validator = Validator(run, ENTRIES, START)
    validator.validate(0, Generator((), run.start.card))
    assert validator.results == [RESULT]


@pytest.mark.parametrize(("mode", "advice"), [("eq2", "train with --iou-mode f1"), ("f1", "raise --answer-tokens")])
def test_boxes_that_are_left_out_are_told_with_advice_that_is_not_taken_yet(
    tmp_path: Path, mode: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = build_run(Path(), tmp_path / "out", stage=1, iou_mode=mode)
    run.directory.mkdir(parents=True)
    near = [replace(START[0], regions=(BOX, BoundingBox(40, 40, 50, 48)))]
    validator = Validator(run, ENTRIES, near)
    capsys.readouterr()
    validator.validate(20, Generator((BOX,), run.start.card))
    assert advice in capsys.readouterr().err
