from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from pipeline.wire.labels import SampleReason
from tests.support.verdicts import build_verdict
from worker.sampling.decision import Sample
from worker.sampling.label_case import build_case, find_case_day, name_case


@given(timestamp_ms=st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0, 1_764_633_600_000_000, 10**18]))
def test_any_timestamp_names_a_day(timestamp_ms: int) -> None:
    assert date(2011, 1, 1) <= find_case_day(build_verdict(timestamp_ms=timestamp_ms)) <= date(2026, 1, 1)


def test_a_case_holds_the_whole_verdict_under_the_day_of_its_record() -> None:
    verdict = build_verdict(timestamp_ms=1_764_633_599_999)
    case = build_case(verdict, Sample((SampleReason.REVIEW,), 0.0, blind=False))
    assert name_case(verdict) == f"cases/2025/12/01/{verdict.verdict_id}.json"
    assert case.verdict_event == verdict
    assert case.image.object_key == f"images/{verdict.image.sha256}.png"
    assert (case.reasons, case.inclusion_probability, case.blind) == (["review"], 0.0, False)
