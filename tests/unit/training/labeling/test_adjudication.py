from itertools import permutations

import pytest

from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelOrigin, LabelVerdict
from tests.support.labels import build_label
from training.labeling.adjudication import LabelState, adjudicate

REAL, GENERATED, UNSURE = LabelVerdict.REAL, LabelVerdict.GENERATED, LabelVerdict.UNSURE


@pytest.mark.parametrize(
    ("verdicts", "state", "verdict"),
    [
        ((), LabelState.PENDING, None),
        ((REAL,), LabelState.AGREED, Verdict.REAL),
        ((GENERATED, GENERATED), LabelState.AGREED, Verdict.GENERATED),
        ((REAL, GENERATED), LabelState.DISPUTED, None),
        ((REAL, UNSURE), LabelState.DISPUTED, None),
        ((UNSURE,), LabelState.UNSURE, None),
        ((UNSURE, UNSURE), LabelState.UNSURE, None),
        ((REAL, GENERATED, GENERATED), LabelState.AGREED, Verdict.GENERATED),
        ((REAL, GENERATED, UNSURE), LabelState.DISPUTED, None),
        ((REAL, UNSURE, UNSURE), LabelState.UNSURE, None),
        ((REAL, REAL, GENERATED, GENERATED), LabelState.DISPUTED, None),
    ],
)
def test_annotators_agree_differ_or_are_unsure(
    verdicts: tuple[LabelVerdict, ...], state: LabelState, verdict: Verdict | None
) -> None:
    labels = [build_label(verdict=verdict, annotator=str(n), minute=n) for n, verdict in enumerate(verdicts)]
    for order in permutations(labels):
        adjudication = adjudicate(order)
        assert (adjudication.state, adjudication.verdict) == (state, verdict)


def test_a_correction_replaces_the_label_of_its_annotator_and_nothing_else() -> None:
    before = build_label(verdict=REAL, annotator="a", minute=1)
    after = build_label(verdict=GENERATED, annotator="a", minute=2)
    other = build_label(verdict=GENERATED, annotator="b", minute=0)
    assert adjudicate([after, before]).verdict is Verdict.GENERATED
    assert adjudicate([before, other]).state is LabelState.DISPUTED
    assert adjudicate([after, other, before]).labels == (other, after)


@pytest.mark.parametrize("named", [None, "before", "after", "unknown"])
def test_time_decides_which_label_is_a_correction_whatever_it_names(named: str | None) -> None:
    before = build_label(verdict=REAL, annotator="a", minute=1)
    after = build_label(verdict=GENERATED, annotator="a", minute=2).model_copy(update={"supersedes": named})
    assert adjudicate([before, after]).labels == adjudicate([after, before]).labels == (after,)


def test_a_reviewer_whom_the_platform_names_like_an_annotator_replaces_no_label() -> None:
    label = build_label(verdict=REAL, annotator="label_studio:3", minute=1)
    review = build_label(verdict=GENERATED, annotator="label_studio:3", minute=2, origin=LabelOrigin.REVIEW)
    assert adjudicate([label, review]).labels == (label, review)
    assert adjudicate([label, review]).state is LabelState.DISPUTED


def test_boxes_and_words_are_those_of_the_latest_annotator_who_agrees_and_gave_some() -> None:
    labels = [
        build_label(verdict=GENERATED, annotator="a", minute=1, boxes=[(0, 0, 9, 9)], explanation="first"),
        build_label(verdict=GENERATED, annotator="b", minute=2, boxes=[], explanation=""),
        build_label(verdict=GENERATED, annotator="c", minute=3),
        build_label(verdict=REAL, annotator="d", minute=4, boxes=[(1, 1, 2, 2)], explanation="other"),
    ]
    adjudication = adjudicate(labels)
    assert (adjudication.verdict, adjudication.boxes, adjudication.explanation) == (Verdict.GENERATED, [], "first")
    assert adjudicate(labels[2:3]).boxes is None, "nobody was asked to draw"
