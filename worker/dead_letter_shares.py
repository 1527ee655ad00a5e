"""Shares of the dead letters' codes among recent answers: most of them with one code is an alarm, whatever code; pure.

The breaker stops the worker for faults that may be ours. These shares stop nothing: they tell an operator that a whole
stream fails, which each letter alone does not show.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

WINDOW = 100
"""most recent answers that count"""
MINIMUM = 20
"""fewest letters with one code that are an alarm"""
RAISED_FROM = 0.5
"""share of one code that raises its alarm"""
CLEARED_BELOW = 0.25
"""share below which the alarm is over, so that it is not raised twice by one answer more or less"""
CURES: Mapping[str, str] = {
    "bucket_forbidden": "compare ZOOMIN_STORE__BUCKETS with the buckets of the events",
    "bucket_unavailable": "give the worker the right to read this bucket, then replay",
    "image_changed": "compare the etags of the events with those of their objects: their sender may write wrong ones",
    "image_missing": "compare the keys of the events with the bucket: their sender may announce uploads too early",
    "malformed_event": "try a letter with `zoomin events`: a sender may have changed the shape of its events",
    "verdict_missing": "compare the event ids of the reviews with those of the verdicts, and their age with "
    "ZOOMIN_COLLECT__LOOKBACK_DAYS",
}


@dataclass(frozen=True, slots=True)
class ShareAlarm:
    """The alarm of a code; `raised` is False at its end."""

    code: str
    share: float
    raised: bool

    @property
    def cure(self) -> str:
        return CURES.get(self.code, "look at the detail of a letter, and at this code in the runbook")


class DeadLetterShares:
    def __init__(self) -> None:
        self._recent: deque[str | None] = deque(maxlen=WINDOW)
        self._raised: set[str] = set()
        self._seen: set[str] = set()

    def count(self, code: str | None) -> list[ShareAlarm]:
        """Count an answer (`code` of its dead letter, None for a verdict); return the alarms that begin or end."""
        self._recent.append(code)
        counts = Counter(self._recent)
        self._seen.update(code for code in counts if code is not None)
        alarms = [ShareAlarm(code, self._share(counts[code]), self._decide(code, counts[code])) for code in self._seen]
        changed = [alarm for alarm in alarms if alarm.raised is not (alarm.code in self._raised)]
        self._raised = {alarm.code for alarm in alarms if alarm.raised}
        return changed

    @property
    def shares(self) -> Mapping[str, float]:
        """The share of each code that was ever counted, from 0 to 1."""
        counts = Counter(self._recent)
        return {code: self._share(counts[code]) for code in self._seen}

    def _decide(self, code: str, letters: int) -> bool:
        if code in self._raised:
            return self._share(letters) >= CLEARED_BELOW
        return letters >= MINIMUM and self._share(letters) >= RAISED_FROM

    def _share(self, letters: int) -> float:
        return letters / len(self._recent) if self._recent else 0.0
