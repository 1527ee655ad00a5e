"""Waiting room for events whose bucket is out: they hold no slot, so that events of other buckets go on."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class WaitingRoom:
    """Counts events that wait between two tries, or for a thread; the first `places` leave their slots to others."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._waiting = 0

    @property
    def occupied(self) -> int:
        return min(self._waiting, self._places)

    @contextmanager
    def leave_slot(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def sleep(self, seconds: float) -> None:
        with self.leave_slot():
            await asyncio.sleep(seconds)
