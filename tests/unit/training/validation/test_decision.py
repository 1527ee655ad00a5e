from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.verdict import BoundingBox, Verdict
from training.evaluation.metrics import Prediction
from training.validation import decision
from training.validation.decision import Aim

IMAGES = 400
BOX = BoundingBox(0, 0, 100, 100)
NEAR, FAR = BoundingBox(0, 0, 100, 90), BoundingBox(0, 0, 100, 50)


def predict(
    *, right: float = 0.9, right_scans: float = 0.7, near: float = 0.5, unreadable: float = 0.0, words: str = "seam"
) -> list[Prediction]:
    """Return predictions of which these shares are right, and have a near box."""

    def choose(share: float, number: int, at: int) -> bool:
        return (number * 7 + at) % IMAGES < share * IMAGES

    def say(label: Verdict, is_right: bool) -> Verdict:
        return label if is_right else Verdict.REAL if label is Verdict.GENERATED else Verdict.GENERATED

    return [
        Prediction(
            label := Verdict.REAL if number % 2 else Verdict.GENERATED,
            say(label, choose(right_scans, number, 11)),
            None if choose(unreadable, number, 5) else say(label, choose(right, number, 0)),
            (NEAR if choose(near, number, 3) else FAR,),
            (BOX,),
            explanation=words,
            reference="a seam",
        )
        for number in range(IMAGES)
    ]


START = predict()


def test_better_boxes_replace_the_start() -> None:
    made = decision.decide("boxes", START, predict(near=0.6))
    assert made.failed_checks == ()
    rise = made.differences["iou_f1"]
    assert rise.value is not None
    assert rise.low is not None
    assert 0 < rise.low < rise.value
    assert list(made.differences) == ["iou_f1", "acc", "i_acc", "parsed"]
    assert str(made).startswith("iou_f1 +0.0")


def test_a_rise_that_may_be_chance_keeps_the_start() -> None:
    noisy = list(START)
    for number in range(0, 40, 2):  # as many images better as worse, and one more
        noisy[number] = replace(noisy[number], regions=(BOX,))
        noisy[number + 1] = replace(noisy[number + 1], regions=(BoundingBox(300, 300, 310, 310),))
    noisy[100] = replace(noisy[100], regions=(BOX,))
    for few in (START, noisy, noisy[:50]):
        (failed,) = decision.decide("boxes", START[: len(few)], few).failed_checks
        assert failed.startswith("no rise of IoU f1 seen (")


@pytest.mark.parametrize(
    ("aim", "worse", "failure"),
    [
        ("boxes", predict(near=0.9, right=0.8), "Acc fell (-0.1"),
        ("boxes", predict(near=0.9, right_scans=0.6), "I-Acc fell (-0.1"),
        ("boxes", predict(near=0.9, unreadable=0.1), "more answers are unreadable (-0.1"),
        ("words", predict(right=1.0, right_scans=0.6), "I-Acc fell (-0.1"),
        ("words", predict(right=1.0, near=0.2), "IoU f1 fell (-0."),
        ("both", predict(near=1.0, right=0.8), "Acc fell (-0.1"),
        ("both", predict(right=1.0, near=0.3, words="a seam"), "IoU f1 fell (-0."),
    ],
)
def test_what_is_paid_with_something_else_is_refused(aim: Aim, worse: Sequence[Prediction], failure: str) -> None:
    failed = decision.decide(aim, START, worse).failed_checks
    assert any(check.startswith(failure) for check in failed)
    assert not any(check.startswith("no rise") for check in failed)


def test_a_small_fall_within_the_margin_is_no_failure() -> None:
    almost = predict(near=0.9, right_scans=0.695)
    made = decision.decide("boxes", START, almost)
    assert made.differences["i_acc"].value == pytest.approx(-0.005)
    assert made.failed_checks == ()


def test_words_are_better_by_acc_or_bleu() -> None:
    assert decision.decide("words", START, predict(right=1.0)).failed_checks == ()
    assert decision.decide("words", START, predict(words="a seam")).failed_checks == ()
    (failed,) = decision.decide("words", START, START).failed_checks
    assert failed == "no rise of Acc and BLEU-2 seen (+0.0000 [+0.0000, +0.0000])"


def test_fine_tuning_is_to_raise_boxes_verdicts_or_words() -> None:
    for better in (predict(near=0.6), predict(right=1.0), predict(words="a seam")):
        assert decision.decide("both", START, better).failed_checks == ()
    (failed,) = decision.decide("both", START, START).failed_checks
    assert failed == "no rise of Acc, IoU f1 and BLEU-2 seen (+0.0000 [+0.0000, +0.0000])"


def test_a_set_without_boxes_or_references_is_decided_by_what_it_has() -> None:
    bare = [replace(one, regions=(), annotated=(), reference=None) for one in START]
    better = [replace(one, check_verdict=one.label) for one in bare]
    assert decision.decide("words", bare, better).failed_checks == ()
    assert decision.decide("both", bare, better).failed_checks == ()
    (failed,) = decision.decide("boxes", bare, better).failed_checks
    assert failed == "no rise of IoU f1 seen (none to judge)"
