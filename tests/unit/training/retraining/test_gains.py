import pytest

from pipeline.verdict import BoundingBox, Verdict
from training.evaluation.metrics import Prediction
from training.retraining.gains import compare_stages, describe_gains

BOX = BoundingBox(0, 0, 10, 10)


def build_predictions(right: int, count: int = 40) -> list[Prediction]:
    """Build predictions of generated images, of which the first `right` are right after either query."""
    verdicts = [Verdict.GENERATED if number < right else Verdict.REAL for number in range(count)]
    return [Prediction(Verdict.GENERATED, verdict, verdict, (BOX,), (BOX,)) for verdict in verdicts]


def test_each_stage_is_compared_with_the_one_before_it_over_the_same_images() -> None:
    rows = compare_stages(
        {"start": build_predictions(20), "sft": build_predictions(36), "grpo_1": build_predictions(36)}
    )
    assert [row["checkpoint"] for row in rows] == ["start", "sft", "grpo_1"]
    assert rows[0]["added"] is None
    sft, grpo = rows[1]["added"]["acc"], rows[2]["added"]["acc"]
    assert sft["value"] == pytest.approx(0.4)
    assert 0 < sft["low"] < 0.4 < sft["high"]
    assert (grpo["value"], grpo["low"], grpo["high"]) == (0, 0, 0), "a stage that kept its start adds nothing"
    assert rows[1]["added"]["iou_f1"]["value"] == 0


def test_the_sentence_names_the_start_and_each_gain() -> None:
    rows = compare_stages({"start": build_predictions(20), "sft": build_predictions(36)})
    assert describe_gains(rows).startswith("Acc on 40 new test images: start 0.500, then sft +0.400 [+0.2")
    assert "nothing is measured" in describe_gains([])
