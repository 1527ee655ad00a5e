import pytest
from pydantic import ValidationError

from tests.support.shadow_pools import CHALLENGER, CHAMPION
from training.evaluation.summary import Json
from training.shadow.demand import ShadowDemand, ShadowJudgement, judge_shadow


def judge(flips: int, events: int, *, hours: float = 30.0, revision: str = CHALLENGER) -> ShadowJudgement:
    summary: Json = {
        "hours": hours,
        "flips": {"n": events, "to_generated": flips, "to_real": 0},
        "pools": {"champion": {"revision": CHAMPION}, "challenger": {"revision": revision}},
    }
    return judge_shadow(summary, ShadowDemand(), champion=CHAMPION, challenger=CHALLENGER)


def test_few_flips_over_enough_hours_pass() -> None:
    judgement = judge(100, 10_000)
    assert (judgement.passed, judgement.value, judgement.events, judgement.detail) == (True, 0.01, 10_000, "")
    assert judgement.low < 0.01 < judgement.high < 0.02
    assert judgement.demand == "at most 0.02 of the verdicts flip, over 24 hours of traffic or more"


def test_too_few_events_say_how_many_are_missing() -> None:
    judgement = judge(1, 100)
    assert not judgement.passed
    assert judgement.detail == "too few events"
    enough = 100 + judgement.missing_events
    assert judge(round(enough / 100), enough + 100).passed
    assert not judge(round(enough / 100), enough - 100).passed


def test_no_flip_at_all_needs_events_too() -> None:
    assert (judge(0, 100).passed, judge(0, 200).passed) == (False, True)
    assert 140 < 100 + judge(0, 100).missing_events < 155


def test_too_many_flips_are_no_lack_of_events() -> None:
    judgement = judge(30, 1000)
    assert (judgement.passed, judgement.missing_events) == (False, 0)
    assert judgement.detail == "30 of 1000 events flip"


def test_too_few_hours_and_another_revision_are_named() -> None:
    assert judge(0, 10_000, hours=2.5).detail == "both judged 2.5 hours of the traffic"
    assert "challenger sha256:cc" in judge(0, 10_000, revision="sha256:cc").detail


@pytest.mark.parametrize("changes", [{"hours": 0}, {"max_flips": 0}, {"max_flips": 1.0}, {"max_flip": 0.1}])
def test_a_demand_that_cannot_be_meant_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        ShadowDemand.model_validate(changes)
