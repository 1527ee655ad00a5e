"""Builds a report of estimates and drift as the command builds it, without a bucket."""

from datetime import UTC, datetime, timedelta

from pipeline.wire.labels import LabelVerdict
from tests.support.labels import build_case, build_label
from tests.support.verdicts import build_verdict
from training.estimates.drift import measure_drift
from training.estimates.estimate import WeighedCases, estimate_all
from training.estimates.sampled_cases import LeftOutCases, collect_cases
from training.estimates.verdict_counts import CountedVerdicts
from training.evaluation.summary import Json
from training.labeling.adjudication import adjudicate
from training.labeling.cases import AdjudicatedCase

START = datetime(2026, 1, 5, tzinfo=UTC)


def build_adjudicated(number: int, *, decided_at: datetime = START) -> AdjudicatedCase:
    """Build a labeled case: every fifth image is generated, every tenth verdict is wrong."""
    generated = number % 5 == 0
    says = generated ^ (number % 10 == 3)
    event = build_verdict(
        event_id=f"event-{number}",
        sha256=f"{number:064x}",
        source=("web", "app")[number % 2],
        p_generated=0.9 if says else 0.1,
        decided_at=decided_at,
    )
    case = build_case(event, inclusion_probability=0.1, blind=number % 2 == 0)
    label = build_label(case, verdict=LabelVerdict.GENERATED if generated else LabelVerdict.REAL)
    return AdjudicatedCase(case, adjudicate([label]))


def build_report(count: int = 120, *, verdicts: int = 400) -> Json:
    """Build the report of `count` cases of two weeks; one source of the verdicts drifts on the last day."""
    found = [build_adjudicated(number, decided_at=START + timedelta(days=7 * (number % 2))) for number in range(count)]
    weighed = WeighedCases.build(collect_cases(found, LeftOutCases()))
    estimates = {
        **estimate_all(weighed),
        "left_out": {"case_unreadable": 1},
        "left_out_examples": {"case_unreadable": ["cases/<odd>.json"]},
        "groups": {
            group: {name: estimate_all(part) for name, part in weighed.split(group)} for group in ("week", "source")
        },
    }
    drift = {**_build_drift(verdicts), "skipped": {"no JSON": 2}, "skipped_examples": ["stdin line 1: no JSON"]}
    head = {"made_at": "2026-01-20T00:00:00+00:00", "bucket": "s3://labels", "since": None, "by": "source"}
    return {**head, "estimates": estimates, "drift": drift}


def _build_drift(verdicts: int) -> Json:
    reference, window = CountedVerdicts(), CountedVerdicts()
    for number in range(verdicts):
        source, moved = ("web", "app")[number % 2], number % 4 == 0
        for counted, day in ((reference, 0), (window, 1)):
            counted.add(
                build_verdict(
                    source=source,
                    p_generated=0.9 if day and moved else 0.2,
                    decided_at=START + timedelta(days=day),
                )
            )
    return measure_drift(reference, window)
