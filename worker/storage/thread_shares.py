"""Threads shared by groups of calls: a group whose calls hang leaves threads to the others.

Invariant: a group takes a thread only while it holds fewer than are free, so that k groups that hang leave one thread
in k + 1 to the others. A group that is the only one may take all.
Source: dynamic thresholds of shared buffers (Choudhury and Hahne, 1998).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from pipeline.errors import StoreUnavailable

SLOT_PATIENCE_S = 1.0
"""a wait that is longer leaves its slot; shorter ones happen at every start, and need no more events"""


class ThreadShares:
    """Counts the threads of each group; calls of one group wait in line, beside the lines of the others."""

    def __init__(
        self,
        threads: int,
        *,
        silence_s: float,
        has_one_group: bool = False,
        leave_slot: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """`silence_s` is how long a call waits for a group of which no call is answered.

        The context of `leave_slot` is entered for long waits while threads are free for other groups.
        """
        self._silence_s = silence_s
        self._has_one_group = has_one_group
        self._leave_slot = leave_slot
        self._free = threads
        self._held: Counter[str] = Counter()
        self._silent_since: dict[str, float] = {}
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self, group: str) -> None:
        """Wait for a thread, which is the caller's until `release`.

        Raises: StoreUnavailable if meanwhile no call of the group is answered for `silence_s`.
        """
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(group, deque()).append(turn)
        self._grant()
        try:
            await self._await_turn(turn, group)
        except BaseException:
            if not turn.cancel():  # it came at the same moment
                self.release(group)
            raise

    def note_answer(self, group: str) -> None:
        """Note that the group answers: those who wait for it have reason to wait on."""
        self._silent_since[group] = asyncio.get_running_loop().time()

    def release(self, group: str) -> None:
        self._free += 1
        self._held[group] -= 1
        self._grant()

    async def _await_turn(self, turn: asyncio.Future[None], group: str) -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.wait({turn}, timeout=SLOT_PATIENCE_S)
        with self._leave_slot() if self._free else nullcontext():
            while not turn.done():
                await asyncio.wait({turn}, timeout=self._measure_patience_s(group, began))
                if not turn.done() and self._held[group] and self._measure_patience_s(group, began) <= 0:
                    raise StoreUnavailable(f"{group} did not answer in {self._silence_s:g} s")

    def _measure_patience_s(self, group: str, began: float) -> float:
        now = asyncio.get_running_loop().time()
        # Without a thread of its own, the group has no chance to answer.
        since = max(began, self._silent_since[group]) if self._held[group] else now
        return since + self._silence_s - now

    def _grant(self) -> None:
        for group in sorted(self._lines, key=self._held.__getitem__):
            line = self._lines[group]
            while line and self._has_room(group):
                turn = line.popleft()
                if not turn.done():  # else its call was cancelled
                    self._hold(group)
                    turn.set_result(None)
            if not line:
                del self._lines[group]

    def _has_room(self, group: str) -> bool:
        return self._free > (0 if self._has_one_group else self._held[group])

    def _hold(self, group: str) -> None:
        if not self._held[group]:
            self.note_answer(group)
        self._free -= 1
        self._held[group] += 1
