from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.verdict import BoundingBox, Verdict
from tests.support.gate_evidence import build_model, mark
from training.evaluation.metrics import Prediction
from training.gate import answer_rows
from training.gate.demands import Demands
from training.gate.evidence import OWN, RANDOM, Evidence, ModelEvidence
from training.gate.findings import build_row
from training.gate.table import GateRow, RowName

RIGHTS = mark(600, range(60))
CHAMPION = build_model(golden=RIGHTS)
DEMANDS = Demands(unparsed_at_most=0.01)
JUDGES = {
    RowName.RANDOM_BOXES: answer_rows.judge_random_boxes,
    RowName.C_ACC: answer_rows.judge_c_acc,
    RowName.IOU: answer_rows.judge_iou,
    RowName.BLEU2: answer_rows.judge_bleu2,
    RowName.UNPARSED: answer_rows.judge_unparsed,
    RowName.ECE: answer_rows.judge_ece,
    RowName.BRIER: answer_rows.judge_brier,
}


def judge(name: RowName, challenger: ModelEvidence, champion: ModelEvidence = CHAMPION) -> GateRow:
    return build_row(name, JUDGES[name](Evidence(champion, challenger), DEMANDS), DEMANDS)


def change(change_one: Callable[[int, Prediction], Prediction], pass_name: str = OWN) -> ModelEvidence:
    """Return the champion's evidence with another prediction for each image of a pass."""
    passes = CHAMPION.sets["golden"]
    changed = [change_one(number, prediction) for number, prediction in enumerate(passes[pass_name])]
    return replace(CHAMPION, sets={"golden": {**passes, pass_name: changed}})


@pytest.mark.parametrize("name", JUDGES)
def test_an_equal_model_passes(name: RowName) -> None:
    assert judge(name, CHAMPION).result == "passed"


@pytest.mark.parametrize("name", JUDGES)
def test_without_a_set_there_is_one_sentence(name: RowName) -> None:
    row = judge(name, build_model(), build_model())
    assert row.result == "failed"
    assert row.detail.startswith("there is n")


def test_random_boxes_that_cost_nothing_any_more_fail() -> None:
    own = CHAMPION.sets["golden"][OWN]
    row = judge(RowName.RANDOM_BOXES, change(lambda number, _: own[number], RANDOM))
    assert (row.result, row.missing_images) == ("failed", 0)
    assert row.detail == "they cost the champion 0.300, the challenger 0.000"


def test_c_acc_at_chance_fails() -> None:
    """Half of the changed verdicts are wrong, so that zooming is no better than a coin."""
    row = judge(RowName.C_ACC, build_model(golden=[number % 4 < 2 for number in range(600)]))
    assert (row.result, row.detail) == ("failed", "Query 2 changed 600 of 600 verdicts")


def test_c_acc_over_few_changes_lacks_images_of_the_set() -> None:
    """Of 600 images Query 2 changed 10, and 6 of these rightly. It takes 66 changes to show that, one in 60 images."""

    def keep_most_scans(number: int, prediction: Prediction) -> Prediction:
        if number % 60:
            return replace(prediction, scan_verdict=prediction.check_verdict)
        other = next(verdict for verdict in Verdict if verdict is not prediction.label)
        verdicts = (other, prediction.label) if number < 360 else (prediction.label, other)
        return replace(prediction, scan_verdict=verdicts[0], check_verdict=verdicts[1])

    row = judge(RowName.C_ACC, change(keep_most_scans))
    assert (row.result, row.detail, row.images) == ("failed", "Query 2 changed 10 of 600 verdicts", 600)
    assert row.missing_images / 60 == pytest.approx(66 - 10, abs=12)


def test_c_acc_without_a_change_fails_with_a_sentence() -> None:
    row = judge(RowName.C_ACC, change(lambda _, prediction: replace(prediction, scan_verdict=prediction.check_verdict)))
    assert (row.result, row.measured) == ("failed", None)
    assert row.detail == "Query 2 changed no verdict, so that zooming decides nothing"


def test_smaller_boxes_and_other_words_fail() -> None:
    half = change(lambda _, prediction: replace(prediction, regions=(BoundingBox(0, 0, 40, 20),)))
    row = judge(RowName.IOU, half)
    assert row.measured is not None
    assert (row.result, row.measured.value) == ("failed", 0.5)
    assert judge(RowName.BLEU2, change(lambda _, p: replace(p, explanation="Tiles"))).result == "failed"


def test_a_set_without_boxes_or_words_says_so() -> None:
    bare = change(lambda _, prediction: replace(prediction, undrawn=True, reference=None))
    assert judge(RowName.IOU, bare, bare).detail == "no image has annotated boxes; add some that have"
    assert judge(RowName.BLEU2, bare, bare).detail == "no image has reference explanations; add some that have"


def test_unreadable_answers_fail_beyond_the_limit_and_none_of_few_proves_nothing() -> None:
    row = judge(RowName.UNPARSED, change(lambda n, p: replace(p, check_verdict=None) if n % 20 == 0 else p))
    assert (row.result, row.missing_images, row.detail) == ("failed", 0, "30 of 600")
    few = build_model(golden=mark(100))
    row = judge(RowName.UNPARSED, few, few)
    assert (row.result, row.missing_images) == ("failed", 199), "log(.05) / log(.99) in all"


def test_a_surer_model_that_is_as_often_wrong_is_worse_calibrated() -> None:
    def sharpen(_: int, prediction: Prediction) -> Prediction:
        return replace(prediction, p_generated=0.999 if (prediction.p_generated or 0) > 0.5 else 0.001)

    assert judge(RowName.ECE, change(sharpen)).result == "failed"
    assert judge(RowName.BRIER, change(sharpen)).result == "failed"
