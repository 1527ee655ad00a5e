"""Stops the worker when most recent events became dead letters by what may be our own fault; pure."""

from collections import Counter, deque

WINDOW = 50
"""events looked back on"""
MINIMUM = 20
"""dead letters that it takes, so that a bad start of a few events does not stop us"""
OUR_FAULT = frozenset(
    {"internal_fault", "answer_unreadable", "generation_failed", "inference_timeout", "engine_poison"}
)
"""what senders cause never counts: it alerts, and others are still to be served"""


class Breaker:
    def __init__(self) -> None:
        self._recent: deque[str | None] = deque(maxlen=WINDOW)

    def closed(self, code: str | None) -> None:
        """One more event is answered: `code` of its dead letter, None for a verdict or an ignored one."""
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
