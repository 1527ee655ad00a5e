"""Waiting room for events whose bucket is out: they hold no slot, so that events of other buckets go on."""

import asyncio


class WaitingRoom:
    """Counts the events that wait between two tries; the first `places` of them leave their slots to others."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._waiting = 0

    @property
    def occupied(self) -> int:
        return min(self._waiting, self._places)

    async def sleep(self, seconds: float) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1
