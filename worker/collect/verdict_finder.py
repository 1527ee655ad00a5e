"""Finder of verdicts: asks the index, waits for one that is not there yet, and reads it from the topic."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from pydantic import ValidationError

from pipeline.errors import VerdictMissing
from pipeline.labeling.case_search import Selection
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.collect.verdict_index import Place, VerdictIndex
from worker.common.confined import ConfinedThread
from worker.common.retry import Retrier

LOOK_AGAIN_S = 1.0
Found = TypeVar("Found")


class Follower(Protocol):
    @property
    def complete_at(self) -> float: ...


class Reader(Protocol):
    def read(self, partition: int, offset: int) -> RawRecord | None: ...

    def close(self) -> None: ...


class VerdictFinder:
    """Finds the verdict of a review, which may overtake it.

    An event is unknown only if the verdicts that Kafka had `patience_s` after the first look do not hold it either.
    """

    def __init__(
        self,
        index: VerdictIndex,
        follower: Follower,
        reader: Reader,
        *,
        retrier: Retrier,
        patience_s: float,
        sleep: Callable[[float], Awaitable[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index = index
        self._follower = follower
        self._reader = reader
        self._thread = ConfinedThread("verdict-reader")
        self._retrier = retrier
        self._patience_s = patience_s
        self._sleep = sleep
        self._clock = clock

    async def find_latest(self, event_id: str) -> VerdictEvent:
        """Return the latest verdict of an event. Raises: VerdictMissing."""

        async def read_latest() -> VerdictEvent | None:
            for place in self._index.find_places(event_id):
                verdict = await self._read(place)
                if verdict is not None and verdict.event_id == event_id:  # a topic made anew has others there
                    return verdict
            return None

        return await self._wait_for(read_latest, f"event {event_id[:80]}")

    async def find_images(self, selection: Selection) -> frozenset[str]:
        """Return the sha256 of the images that the selection names by event or object. Raises: VerdictMissing."""

        async def look_up() -> frozenset[str] | None:
            return self._index.find_images(selection) or None

        return await self._wait_for(look_up, "this event or object")

    def close(self) -> None:
        self._thread.submit(self._reader.close)
        self._thread.end()

    async def _wait_for(self, look: Callable[[], Awaitable[Found | None]], wanted: str) -> Found:
        first_look_at = self._clock()
        while True:
            is_last = self._follower.complete_at >= first_look_at + self._patience_s
            found = await look()
            if found is not None:
                return found
            if is_last:
                raise VerdictMissing(
                    f"the verdict topic holds no verdict of {wanted}, also {self._patience_s:g} s after it was wanted"
                )
            await self._sleep(LOOK_AGAIN_S)

    async def _read(self, place: Place) -> VerdictEvent | None:
        read = partial(self._reader.read, place.partition, place.offset)
        record = await self._retrier.call(lambda: self._thread.run(read))
        try:
            return None if record is None else VerdictEvent.model_validate_json(record.value or b"")
        except ValidationError:
            return None
