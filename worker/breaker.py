"""Circuit breaker: stops the worker when too many recent dead letters may be our own fault; pure."""

from collections import Counter, deque

WINDOW = 50
"""most recent events that count"""
MINIMUM = 20
"""fewest dead letters that stop the worker, so that a bad start of a few events does not"""
OUR_FAULT = frozenset(
    {"internal_fault", "answer_unreadable", "generation_failed", "inference_timeout", "engine_poison"}
)
"""codes that count; dead letters that senders cause only alert, because other events can still be served"""


class Breaker:
    def __init__(self) -> None:
        self._recent: deque[str | None] = deque(maxlen=WINDOW)

    def count(self, code: str | None) -> None:
        """Count an answered event: `code` of its dead letter, None for a verdict or an ignored one."""
        self._recent.append(code if code in OUR_FAULT else None)

    @property
    def tripped(self) -> bool:
        faults = self._faults.total()
        return faults >= MINIMUM and 2 * faults >= len(self._recent)

    @property
    def detail(self) -> str:
        """One sentence for the error that stops the worker."""
        counts = ", ".join(f"{count} {code}" for code, count in self._faults.most_common())
        return f"of the last {len(self._recent)} events too many became dead letters that may be our fault: {counts}"

    @property
    def _faults(self) -> Counter[str]:
        return Counter(code for code in self._recent if code is not None)
