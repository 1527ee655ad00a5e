from dataclasses import replace

import pytest
from PIL import Image

from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from tests.support.engines import DigestEngine
from training.evaluation import evaluate
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.paper import table_1

SIZE = (400, 300)
SMALL, LARGE, MIDDLE = BoundingBox(0, 0, 40, 30), BoundingBox(100, 50, 300, 250), BoundingBox(310, 0, 400, 90)
PREDICTION = Prediction(
    Verdict.REAL, Verdict.REAL, Verdict.REAL, (SMALL, MIDDLE, LARGE), (SMALL,), explanation="a seam", reference="a seam"
)


def test_a_row_s_iou_is_that_of_the_boxes_which_query_2_saw() -> None:
    prediction = replace(PREDICTION, zoomed=(SMALL, MIDDLE))
    own, random = (table_1.measure_live_row(name, [prediction]) for name in ("two_turn", "random_crops"))
    assert own["iou"].value == pytest.approx(1 / 3)
    assert random["iou"].value == pytest.approx(1 / 2)
    assert own["acc"] == random["acc"]


async def test_the_boxes_of_a_row_are_those_that_it_chooses() -> None:
    sample = Sample(0, RgbImage(Image.new("RGB", SIZE), "png"), Verdict.REAL, (SMALL,))
    engine = DigestEngine(CheckpointCard(box_frame="thousand"))
    predictions = await evaluate.predict([sample], engine, concurrency=1, passes=table_1.PASSES)
    for name, (prediction,) in predictions.items():
        chosen = table_1.LIVE_ROWS[name](sample)(prediction.regions, SIZE, engine.card.max_crops)
        assert prediction.zoomed == tuple(chosen) != ()
    assert predictions["random_crops"][0].zoomed != predictions["two_turn"][0].zoomed


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
