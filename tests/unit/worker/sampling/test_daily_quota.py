from datetime import UTC, datetime, timedelta

import pytest

from pipeline.wire.labels import SampleReason
from worker.sampling.daily_quota import MOST_SOURCES, DailyQuota

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
NOON = MIDNIGHT + timedelta(hours=12)
CORRECTED = SampleReason.CORRECTED


def take(quota: DailyQuota, cases: int, at: datetime = MIDNIGHT, source: str | None = "web") -> None:
    quota.limit_fraction(1.0, source, CORRECTED, at)
    for _ in range(cases):
        quota.count(source, CORRECTED)


def test_a_quiet_day_is_drawn_at_the_full_fraction() -> None:
    quota = DailyQuota(320)
    take(quota, 80)
    assert quota.limit_fraction(0.5, "web", CORRECTED, MIDNIGHT) == 0.5


@pytest.mark.parametrize(("at", "cases", "halvings"), [(MIDNIGHT, 90, 1), (MIDNIGHT, 110, 3), (NOON, 200, 4)])
def test_each_step_ahead_of_the_pace_halves_the_fraction(at: datetime, cases: int, halvings: int) -> None:
    quota = DailyQuota(320)
    take(quota, cases, at)
    assert quota.limit_fraction(1.0, "web", CORRECTED, at) == pytest.approx(0.5**halvings)


def test_the_fraction_recovers_as_the_day_goes_on() -> None:
    quota = DailyQuota(320)
    take(quota, 200)
    fractions = [quota.limit_fraction(1.0, "web", CORRECTED, MIDNIGHT + timedelta(hours=h)) for h in (0, 6, 12, 18)]
    assert fractions == sorted(set(fractions))
    assert fractions[-1] == 1.0


def test_a_spent_quota_draws_nothing_until_midnight_and_is_reported_once() -> None:
    quota = DailyQuota(4)
    quota.limit_fraction(1.0, "web", CORRECTED, NOON)
    assert [quota.count("web", CORRECTED) for _ in range(4)] == [False, False, False, True]
    assert quota.limit_fraction(1.0, "web", CORRECTED, NOON) == 0.0
    assert quota.limit_fraction(1.0, "web", CORRECTED, NOON + timedelta(days=1)) == 1.0


def test_a_clock_that_goes_back_over_midnight_gives_no_second_quota() -> None:
    quota = DailyQuota(4)
    take(quota, 4, MIDNIGHT)
    assert quota.limit_fraction(1.0, "web", CORRECTED, MIDNIGHT - timedelta(seconds=1)) == 0.0


def test_each_source_and_reason_has_its_own_quota() -> None:
    quota = DailyQuota(4)
    take(quota, 4)
    assert quota.limit_fraction(1.0, None, CORRECTED, MIDNIGHT) == 1.0
    assert quota.limit_fraction(1.0, "web", SampleReason.UNGROUNDED, MIDNIGHT) == 1.0


def test_control_is_never_limited_and_neither_is_anything_without_a_quota() -> None:
    quota, unlimited = DailyQuota(1), DailyQuota(0)
    for _ in range(5):
        assert not quota.count("web", SampleReason.CONTROL)
        assert not unlimited.count("web", CORRECTED)
    assert quota.limit_fraction(0.01, "web", SampleReason.CONTROL, MIDNIGHT) == 0.01
    assert unlimited.limit_fraction(1.0, "web", CORRECTED, MIDNIGHT) == 1.0


def test_sources_beyond_the_most_share_one_quota() -> None:
    quota = DailyQuota(4)
    for number in range(MOST_SOURCES):
        take(quota, 1, source=f"source-{number}")
    for number in range(4):
        take(quota, 1, source=f"late-{number}")
    assert quota.limit_fraction(1.0, "later", CORRECTED, MIDNIGHT) == 0.0
    assert quota.limit_fraction(1.0, "source-0", CORRECTED, MIDNIGHT) == 1.0
