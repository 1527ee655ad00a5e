from dataclasses import fields
from datetime import UTC, datetime, timedelta

from pipeline.wire.labels import LabelOrigin, LabelVerdict, SampleReason
from tests.support.labels import build_case, build_label
from tests.support.verdicts import build_verdict
from training.estimates.sampled_cases import (
    DELETED,
    EARLIER,
    NOT_DRAWN,
    REVIEW,
    UNREADABLE,
    UNREADABLE_LABEL,
    LeftOutCases,
    collect_cases,
)
from training.labeling.adjudication import adjudicate
from training.labeling.bucket import Unreadable
from training.labeling.cases import AdjudicatedCase

REAL, GENERATED, UNSURE = LabelVerdict.REAL, LabelVerdict.GENERATED, LabelVerdict.UNSURE


def build_found(
    name: str, *verdicts: LabelVerdict, reasons: tuple[str, ...] = ("control",), probability: float = 0.1
) -> AdjudicatedCase:
    event = build_verdict(event_id=name, decided_at=datetime(2026, 2, 3, tzinfo=UTC))
    case = build_case(event, reasons=reasons, inclusion_probability=probability)
    labels = [build_label(case, verdict=verdict, annotator=str(who)) for who, verdict in enumerate(verdicts)]
    return AdjudicatedCase(case, adjudicate(labels))


def test_a_case_is_decided_looked_at_or_pending() -> None:
    found = [
        build_found("agreed", GENERATED),
        build_found("disputed", GENERATED, REAL),
        build_found("unsure", UNSURE),
        build_found("pending"),
    ]
    cases = collect_cases(found, LeftOutCases())
    states = dict(zip(cases.state, zip(cases.decided, cases.looked_at, cases.truth, strict=True), strict=True))
    assert states["agreed"] == (True, True, 1.0)
    assert states["disputed"] == states["unsure"] == (False, True, 0.0)
    assert states["pending"] == (False, False, 0.0)


def test_control_comes_first_among_the_reasons_of_a_case() -> None:
    found = [
        build_found("a", reasons=("low_confidence", "control")),
        build_found("b", reasons=("low_confidence", "corrected")),
    ]
    assert set(collect_cases(found, LeftOutCases()).reason) == {"control", "corrected+low_confidence"}


def test_what_was_not_drawn_by_chance_enters_no_estimate() -> None:
    left_out = LeftOutCases()
    deleted = build_found("deleted", REAL)
    found = [
        build_found("appeal", REAL, reasons=("review",), probability=0.0),
        build_found("both", REAL, reasons=("control", SampleReason.REVIEW)),
        build_found("odd", REAL, probability=0.0),
        deleted,
        Unreadable("cases/2026/01/01/broken.json", "schema_version: 9"),
        AdjudicatedCase(build_found("whole").case, adjudicate([]), (Unreadable("labels/whole/1.json", "verdict"),)),
    ]
    cases = collect_cases(found[:3] + found[4:], left_out)
    collect_cases([deleted], left_out, deleted=frozenset({deleted.case.image.sha256}))
    collect_cases([deleted], left_out, since=deleted.case.verdict_event.decided_at + timedelta(seconds=1))
    assert len(cases) == 1
    assert left_out.counts == {REVIEW: 2, NOT_DRAWN: 1, UNREADABLE: 1, UNREADABLE_LABEL: 1, DELETED: 1, EARLIER: 1}
    assert left_out.examples[UNREADABLE] == ["cases/2026/01/01/broken.json"]


def test_a_review_decides_no_case_that_chance_has_drawn() -> None:
    """Appeals pick wrong verdicts; a case that they decide would make the detector look worse than it is."""
    whole = build_found("appealed")
    review = build_label(whole.case, verdict=REAL, annotator="moderator", origin=LabelOrigin.REVIEW)
    cases = collect_cases([AdjudicatedCase(whole.case, adjudicate([review]))], LeftOutCases())
    assert cases.state.tolist() == ["pending"]


def test_no_case_at_all_has_columns_too() -> None:
    cases = collect_cases([], LeftOutCases())
    assert len(cases) == 0
    assert cases.decided.dtype == bool


def test_weeks_are_those_of_the_calendar() -> None:
    assert collect_cases([build_found("a")], LeftOutCases()).week.tolist() == ["2026-W06"]


def test_a_case_takes_a_few_bytes_whatever_the_length_of_its_names() -> None:
    """A bucket has a million cases, and a name that any sender chose must not widen the column of all."""
    found = [build_found(str(number)) for number in range(3)]
    events = [each.case.verdict_event.model_copy(update={"source": "".join(["s" * 999, "!"])}) for each in found]
    longer = [
        AdjudicatedCase(each.case.model_copy(update={"verdict_event": event}), each.adjudication)
        for each, event in zip(found, events, strict=True)
    ]
    cases = collect_cases(longer, LeftOutCases())
    assert len({id(source) for source in cases.source}) == 1
    columns = (getattr(cases, column.name) for column in fields(cases))
    assert sum(column.itemsize for column in columns) <= 100


def test_cases_of_one_image_stand_together_in_one_cell() -> None:
    one, other, again = (build_found(name) for name in ("1", "2", "3"))
    image = again.case.image.model_copy(update={"sha256": "f" * 64})
    same = AdjudicatedCase(other.case.model_copy(update={"image": image}), other.adjudication)
    cases = collect_cases(
        [same, one, AdjudicatedCase(again.case.model_copy(update={"image": image}), again.adjudication)],
        LeftOutCases(),
    )
    assert cases.find_image_starts().tolist() == [0, 1]
    assert [len(set(cells)) for cells in cases.number_cells()] == [1, 1, 1]
