from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox, Verdict
from tests.support.paths import MODEL
from training.evaluation.metrics import Prediction
from training.runs import publishing
from training.runs.weights import SurvivingUpdate
from training.validation import outcome as validated
from training.validation.outcome import ValidatedOutcome
from training.validation.profile import Kept

BOX = BoundingBox(0, 0, 10, 10)
START = [Prediction(Verdict.REAL, Verdict.REAL, Verdict.REAL, (), (BOX,))] * 4
BETTER = [replace(prediction, regions=(BOX,)) for prediction in START]


def decide(published: list[Prediction], kept: Kept = "better") -> ValidatedOutcome:
    surviving = SurvivingUpdate("bfloat16", 0.25, 0.1)
    return ValidatedOutcome.decide("boxes", kept, START, published, step=20, surviving=surviving)


def test_weights_replace_the_start_where_they_rose_or_where_the_last_are_kept() -> None:
    assert decide(BETTER).replaces_start
    assert not decide(START).replaces_start
    assert decide(START, "last").replaces_start


def test_people_read_which_weights_are_published_and_why() -> None:
    assert "out: measure it with `zoomin-train evaluate out" in decide(BETTER).describe(Path("out"), None)
    refused = decide(START).describe(Path("out"), Path("refused"))
    assert "out is the start unchanged: no rise of IoU f1 seen (+0.0000 [+0.0000, +0.0000])" in refused
    assert "refused holds the last weights" in refused
    assert "0.250 of the update survived" in refused


def test_programs_read_the_metrics_of_both() -> None:
    written = decide(BETTER).to_json()
    assert written["differences"] == {
        **{name: {"value": 0.0, "low": 0.0, "high": 0.0, "n": 4} for name in ("acc", "i_acc", "parsed")},
        "iou_f1": {"value": 1.0, "low": 1.0, "high": 1.0, "n": 4},
    }
    assert (written["replaces_start"], written["failed_checks"]) == (True, [])


def test_a_finished_directory_is_refused_and_so_is_one_for_refused_weights(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="holds a finished checkpoint; name another directory with --out"):
        validated.refuse_finished_directories(tmp_path, MODEL, None)
    with pytest.raises(BadSettings, match="name another directory with --refused"):
        validated.refuse_finished_directories(tmp_path / "run", tmp_path / "out", MODEL)
    validated.refuse_finished_directories(tmp_path, tmp_path / "out", MODEL)  # it goes on, and has written this


@pytest.mark.parametrize(("published", "in_out"), [(BETTER, "sha256:0"), (START, None)])
def test_refused_weights_go_where_they_can_be_measured(
    tmp_path: Path, published: list[Prediction], in_out: str | None
) -> None:
    start, out, refused = Checkpoint.read(MODEL), tmp_path / "out", tmp_path / "refused"
    publishing.publish_checkpoint(MODEL, tmp_path / publishing.MADE)
    publishing.complete_checkpoint(tmp_path / publishing.MADE, start, "sha256:0")
    validated.publish_outcome(decide(published), tmp_path, start, out=out, refused=refused)
    assert Checkpoint.read(out).card.trained_on == (in_out or start.card.trained_on)
    assert refused.exists() is (in_out is None)
    assert not (tmp_path / publishing.MADE).exists()
