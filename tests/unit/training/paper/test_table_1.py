from dataclasses import replace

import pytest
from PIL import Image

from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.paper import table_1

SIZE = (400, 300)
SMALL, LARGE, MIDDLE = BoundingBox(0, 0, 40, 30), BoundingBox(100, 50, 300, 250), BoundingBox(310, 0, 400, 90)
PREDICTION = Prediction(
    Verdict.REAL, Verdict.REAL, Verdict.REAL, (SMALL, MIDDLE, LARGE), (SMALL,), explanation="a seam", reference="a seam"
)


def test_enlarged_boxes_take_the_place_of_those_that_were_named() -> None:
    predictions = [Prediction(Verdict.REAL, Verdict.REAL, Verdict.REAL, (SMALL, MIDDLE, LARGE, MIDDLE), ())]
    sample = Sample(0, RgbImage(Image.new("RGB", SIZE), "png"), Verdict.REAL, ())
    (replaced,) = table_1.replace_regions("largest_3", [sample], predictions, 8)
    assert replaced.regions == (SMALL, MIDDLE, LARGE)  # the repeated one is no fourth


def test_a_row_s_iou_is_that_of_the_boxes_which_query_2_saw() -> None:
    sample = Sample(0, RgbImage(Image.new("RGB", SIZE), "png"), Verdict.REAL, ())
    own, random = (
        table_1.measure_live_row(name, [sample], [PREDICTION], CheckpointCard())
        for name in ("two_turn", "random_crops")
    )
    assert own["iou"].value == pytest.approx(1 / 3)
    assert random["iou"].value != own["iou"].value
    assert own["acc"] == random["acc"]


def test_one_turn_says_nothing_of_two_verdicts() -> None:
    two, boxes, plain = (
        table_1.measure_ablation(name, [PREDICTION, replace(PREDICTION, scan_verdict=None, check_verdict=None)])
        for name in ("two_turn", "one_turn_eg", "one_turn_e")
    )
    assert two.keys() >= {"i_acc", "c_acc", "c_cases", "iou", "identity_gap"}
    assert boxes.keys() == {"acc", "iou", "bleu1", "bleu2", "rouge_l", "unparsed"}
    assert plain.keys() == boxes.keys() - {"iou"}
    assert (plain["acc"].value, plain["unparsed"].value) == (0.5, 0.5)


def test_every_row_is_a_question_or_a_training_and_the_own_one_is_both() -> None:
    assert {*table_1.LIVE_ROWS, *table_1.ABLATION_ROWS} == set(table_1.TITLES)
    assert set(table_1.LIVE_ROWS) & set(table_1.ABLATION_ROWS) == {"two_turn"}
