from collections import Counter
from datetime import timedelta

from pipeline.wire.labels import SampleReason
from tests.support.labels import START, build_case
from tests.support.verdicts import build_verdict
from training.label_studio.queue import ORDER, PushPolicy, WaitingCase, choose_cases, choose_reason


def wait(name: str, reason: str, day: int = 0) -> WaitingCase:
    return WaitingCase(name, reason, START + timedelta(days=day))


def test_every_reason_has_its_place() -> None:
    assert set(ORDER) == set(SampleReason)


def test_a_case_counts_for_its_first_reason_that_is_wanted() -> None:
    case = build_case(build_verdict(), reasons=["low_confidence", "new", "control"])
    assert choose_reason(case, PushPolicy()) == "control"
    assert choose_reason(case, PushPolicy(reasons=frozenset({"low_confidence", "corrected"}))) == "low_confidence"
    assert choose_reason(case, PushPolicy(reasons=frozenset({"corrected"}))) is None
    assert choose_reason(build_case(build_verdict(), reasons=["new"]), PushPolicy()) == "new"


def test_cases_are_chosen_by_reason_then_age_up_to_quota_and_limit() -> None:
    waiting = [
        wait("late", "control", 2),
        wait("new", "new"),
        wait("corrected", "corrected"),
        wait("early", "control"),
        wait("middle", "control", 1),
    ]
    names = [case.case_id for case in choose_cases(waiting, Counter(), PushPolicy())]
    assert names == ["early", "middle", "late", "corrected", "new"]
    policy = PushPolicy(quotas={"control": 2, "corrected": 0}, limit=2)
    assert [case.case_id for case in choose_cases(waiting, Counter({"control": 1}), policy)] == ["early", "new"]
