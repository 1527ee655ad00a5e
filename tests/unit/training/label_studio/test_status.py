from datetime import timedelta

import pytest

from pipeline.wire.labels import LabelCase, LabelEvent, LabelOrigin, LabelVerdict
from tests.support.labels import START, build_case, build_label
from tests.support.verdicts import build_verdict
from training.label_studio.marks import PullMarks
from training.label_studio.status import LEAST_OF_ONE_CLASS, LabelStatus, count_status
from training.labeling.adjudication import LabelState, adjudicate
from training.labeling.bucket import Unreadable
from training.labeling.cases import AdjudicatedCase

REAL, GENERATED, UNSURE = LabelVerdict.REAL, LabelVerdict.GENERATED, LabelVerdict.UNSURE
BOXES = [(10, 10, 50, 50), (60, 60, 90, 90)]


def find(case: LabelCase, *labels: LabelEvent) -> AdjudicatedCase:
    return AdjudicatedCase(case, adjudicate(labels))


def test_the_queue_counts_what_waits_by_reason_and_age() -> None:
    both = build_case(build_verdict(event_id="1"), reasons=["control", "corrected"])
    control = build_case(build_verdict(event_id="2"))
    disputed = build_case(build_verdict(event_id="3"), reasons=["corrected"])
    reviewed = build_case(build_verdict(event_id="4"))
    late = control.model_copy(update={"created_at": START + timedelta(days=3)})
    status = count_status(
        [
            find(both),
            find(late),
            find(disputed, build_label(disputed, verdict=REAL), build_label(disputed, annotator="2")),
            find(control, build_label(control)),
            find(reviewed, build_label(reviewed, origin=LabelOrigin.REVIEW)),
            Unreadable("cases/odd.json", "schema_version: no"),
        ],
        frozenset(),
        PullMarks(),
    )
    assert status.states == {LabelState.PENDING: 2, LabelState.DISPUTED: 1, LabelState.AGREED: 2}
    assert {reason: (row.pending, row.disputed, row.oldest) for reason, row in status.queue.items()} == {
        "control": (3, 0, START),
        "corrected": (1, 1, START),
    }
    assert [unreadable.key for unreadable in status.unreadable] == ["cases/odd.json"]


def test_annotators_are_counted_and_one_of_one_class_is_flagged() -> None:
    case = build_case(build_verdict())
    labels = [find(case, build_label(case, annotator="all-real", verdict=REAL)) for _ in range(LEAST_OF_ONE_CLASS)]
    labels.append(find(case, build_label(case, annotator="new", verdict=REAL)))
    status = count_status(labels, frozenset(), PullMarks())
    one, new = status.annotators["all-real"], status.annotators["new"]
    assert (one.labels, one.median_seconds, one.is_of_one_class) == (LEAST_OF_ONE_CLASS, 12.5, True)
    assert not new.is_of_one_class


@pytest.mark.parametrize(("blind", "expected"), [(True, (1, 0)), (False, (0, 1))])
def test_agreement_with_the_model_is_apart_for_blind_and_shown(blind: bool, expected: tuple[int, int]) -> None:
    case = build_case(build_verdict(), blind=blind)  # the model says generated
    status = LabelStatus()
    status.add(find(case, build_label(case, verdict=GENERATED, blind=blind)))
    status.add(find(case, build_label(case, verdict=UNSURE, blind=blind)))
    assert (status.blind.with_model, status.shown.with_model) == expected
    assert (status.blind.labels, status.shown.labels) == expected


def test_boxes_that_annotators_left_are_told_from_those_that_they_drew() -> None:
    case = build_case(build_verdict(zoomed=BOXES))
    status = count_status([find(case, build_label(case, boxes=[BOXES[0], (1, 2, 3, 4)]))], frozenset(), PullMarks())
    assert (status.boxes.offered, status.boxes.kept, status.boxes.drawn) == (2, 1, 1)
    assert status.boxes_kept.value == 0.5


def test_deleted_images_are_counted_alone() -> None:
    case = build_case(build_verdict())
    status = count_status([find(case, build_label(case))], frozenset({case.image.sha256}), PullMarks())
    assert (status.deleted, status.states.total(), dict(status.annotators)) == (1, 0, {})


def test_kappa_is_of_the_first_two_labels_from_label_studio() -> None:
    case = build_case(build_verdict())
    twice = [
        find(case, build_label(case, verdict=one), build_label(case, verdict=two, annotator="2", minute=1))
        for one, two in [(REAL, REAL), (GENERATED, GENERATED), (REAL, GENERATED), (GENERATED, REAL)]
    ]
    assert count_status(twice, frozenset(), PullMarks()).kappa.value == 0
