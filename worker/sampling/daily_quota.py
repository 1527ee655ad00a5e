"""Daily quota of cases, for each source and reason: it lowers the fraction of a stratum before a draw, not after it.

A draw whose result were dropped would leave events of probability 0 among the others, and nothing could weigh them
back. Here the fraction in force follows from earlier draws alone, so it is the probability of the next one.

Invariant: at most `quota` draws of a source and reason are counted between two midnights (UTC).
"""

from collections import Counter
from datetime import date, datetime

from pipeline.wire.labels import SampleReason

FREE_SHARE = 0.25
"""of the quota, drawn at the full fraction at any time of the day: the quota of quiet days never bites"""
PACED_SHARE = 0.5
"""of the quota, let through evenly over the day"""
HALVINGS = 8
"""of the fraction, spread over the rest of the quota: enough for a day with 100 times too many events"""
MOST_SOURCES = 100
"""that have a quota of their own in a day; senders name sources, so all later ones share one"""
SECONDS_PER_DAY = 24 * 60 * 60


class DailyQuota:
    def __init__(self, quota: int) -> None:
        self._quota = quota
        self._day = date.min
        self._taken: Counter[tuple[str | None, SampleReason]] = Counter()
        self._sources: set[str | None] = set()

    def limit_fraction(self, fraction: float, source: str | None, reason: SampleReason, at: datetime) -> float:
        """Return the fraction in force: halved for each 1/32 of the quota by which draws are ahead of the day's pace.

        It is 0 only if the quota is spent. Control is never limited, nor is anything by a quota of 0.
        """
        if not self._quota or reason is SampleReason.CONTROL:
            return fraction
        self._begin_day(at.date())
        taken = self._taken[self._name_account(source), reason]
        if taken >= self._quota:
            return 0.0
        pace = self._quota * (FREE_SHARE + PACED_SHARE * _read_share_of_day(at))
        step = self._quota * (1 - FREE_SHARE - PACED_SHARE) / HALVINGS
        return float(fraction * 2.0 ** -max(0.0, (taken - pace) / step))

    def count(self, source: str | None, reason: SampleReason) -> bool:
        """Count one draw of the day that `limit_fraction` saw last; return True if it spent the quota."""
        if not self._quota or reason is SampleReason.CONTROL:
            return False
        account = (self._name_account(source), reason)
        self._taken[account] += 1
        return self._taken[account] == self._quota

    def _begin_day(self, day: date) -> None:
        if day > self._day:
            self._day = day
            self._taken.clear()
            self._sources.clear()

    def _name_account(self, source: str | None) -> str | None:
        if source in self._sources or len(self._sources) < MOST_SOURCES:
            self._sources.add(source)
            return source
        return "\n"  # no source that a message can name


def _read_share_of_day(at: datetime) -> float:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return (at - midnight).total_seconds() / SECONDS_PER_DAY
