"""Poll, admit, collect, commit: the one loop that owns all moving state, and the only place with back-pressure.

Invariant: at most `max_in_flight` events run; no partition runs further than `max_span` ahead of its commit; an offset
is committed only when every offset before it is answered, under the assignment that read it.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from pipeline.errors import DeadLetterFlood
from pipeline.wire.record import RawRecord
from worker.breaker import Breaker
from worker.common.settings import FlowSettings
from worker.handler import Outcome
from worker.kafka.poll_result import Turn
from worker.ledger import OffsetLedger, Position
from worker.observe import telemetry
from worker.observe.telemetry import Metrics

POLL_S = 0.1
COMPLETION_WAIT_S = 0.5
LOOK_S = 5.0
STALLED_AFTER_S = 30.0


class Source(Protocol):
    async def poll(
        self, *, max_records: int, paused: frozenset[int], committable: Mapping[int, int], timeout_s: float
    ) -> Turn: ...

    async def commit(self, offsets: Mapping[int, int]) -> bool: ...

    async def lag(self) -> dict[int, int]: ...

    async def rebuild(self) -> None: ...


class Handler(Protocol):
    async def handle(self, record: RawRecord) -> Outcome: ...


class WorkerLoop:
    def __init__(
        self,
        source: Source,
        handler: Handler,
        flow: FlowSettings,
        *,
        commit_interval_s: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._handler = handler
        self._flow = flow
        self._commit_interval_s = commit_interval_s
        self._metrics = metrics
        self._clock = clock
        self._ledger = OffsetLedger()
        self._breaker = Breaker()
        self._tasks: dict[asyncio.Task[Outcome], Position] = {}
        self._admitted = itertools.count()
        self._surplus: deque[tuple[RawRecord, Position]] = deque()
        self._assignment: frozenset[int] = frozenset()
        self._paused: frozenset[int] = frozenset()
        self._progress_at: dict[int, float] = {}
        self._committed_at = self._looked_at = clock()
        self.turned_at = clock()
        self.assigned = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set and everything in flight is answered, or the drain deadline has passed.

        Raises: FatalError, after which nothing more is committed.
        """
        try:
            while not stop.is_set():
                await self._turn()
            await self._drain()
        finally:
            await self._cancel(list(self._tasks))

    async def _turn(self) -> None:
        self.turned_at = self._clock()
        self._collect()
        self._paused = self._held_back()
        await self._poll(max(1, self._free_slots), POLL_S if self._free_slots else 0)
        self._admit()
        if not self._free_slots:
            await asyncio.wait(self._tasks, timeout=COMPLETION_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        if self._clock() - self._committed_at >= self._commit_interval_s:
            await self._commit()
        if self._clock() - self._looked_at >= LOOK_S:
            await self._look()

    @property
    def _free_slots(self) -> int:
        return max(0, self._flow.max_in_flight - len(self._tasks) - len(self._surplus))

    def _held_back(self) -> frozenset[int]:
        if not self._free_slots:
            return self._assignment
        return frozenset(p for p in self._assignment if self._ledger.span(p) >= self._flow.max_span)

    async def _poll(self, max_records: int, timeout_s: float) -> None:
        turn = await self._source.poll(
            max_records=max_records, paused=self._paused, committable=self._ledger.committable(), timeout_s=timeout_s
        )
        await self._rebalance(turn)
        self._metrics.skipped.inc(turn.skipped)
        for record in turn.records:
            self._progress_at[record.partition] = self._clock()
            self._surplus.append((record, self._ledger.begin(record.partition, record.offset)))
        for partition, position in turn.positions.items():
            self._ledger.idle(partition, position)

    async def _rebalance(self, turn: Turn) -> None:
        gone = turn.revoked | turn.lost
        if gone:
            await self._drop(gone)
        for partition in turn.assigned:
            first = next((record.offset for record in turn.records if record.partition == partition), None)
            self._ledger.assign(partition, turn.positions.get(partition) if first is None else first)
            self._progress_at[partition] = self._clock()
        if gone or turn.assigned:
            self._metrics.rebalances.inc()
            self._tell(turn)
        self._assignment = turn.assignment
        self.assigned = self.assigned or bool(turn.assignment)

    def _tell(self, turn: Turn) -> None:
        if turn.lost:
            telemetry.logger().warning(telemetry.MEMBER_FENCED, lost=sorted(turn.lost))
        if turn.assigned or turn.revoked:
            event = telemetry.PARTITIONS_ASSIGNED if turn.assigned else telemetry.PARTITIONS_REVOKED
            telemetry.logger().info(event, assigned=sorted(turn.assigned), revoked=sorted(turn.revoked))

    async def _drop(self, partitions: frozenset[int]) -> None:
        """What a partition had in flight goes with it: the new owner reads it again."""
        for partition in partitions:
            self._ledger.revoke(partition)
        self._surplus = deque((r, p) for r, p in self._surplus if p.partition not in partitions)
        await self._cancel([task for task, p in self._tasks.items() if p.partition in partitions])

    def _admit(self) -> None:
        while self._surplus and len(self._tasks) < self._flow.max_in_flight:
            record, position = self._surplus.popleft()
            name = f"event {next(self._admitted):012d}"  # the supervisor asks suspects in this order
            self._tasks[asyncio.create_task(self._handler.handle(record), name=name)] = position
        self._metrics.in_flight.set(len(self._tasks))
        self._metrics.paused.set(len(self._paused))
        self._metrics.span.set(max(map(self._ledger.span, self._assignment), default=0))

    def _collect(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            outcome = task.result()  # a fatal error leaves the loop here
            self._ledger.finish(self._tasks.pop(task))
            for code in outcome.codes or (None,):
                self._breaker.closed(code)
        if self._breaker.tripped:
            raise DeadLetterFlood(self._breaker.detail)

    async def _commit(self) -> bool:
        self._committed_at = self._clock()
        offsets = self._ledger.committable()
        if not offsets:
            return True
        if not await self._source.commit(offsets):
            telemetry.logger().info(telemetry.COMMIT_POSTPONED, offsets=offsets)
            return False
        self._ledger.committed(offsets)
        return True

    async def _look(self) -> None:
        """Lag for the metrics, and the watchdog: a partition that could go on and does not gets a new consumer."""
        self._looked_at = self._clock()
        lag = await self._source.lag()
        for partition, records in lag.items():
            self._metrics.lag.labels(str(partition)).set(records)
        stalled = [
            partition
            for partition in self._assignment - self._paused
            if lag.get(partition, 0) > 0 and self._clock() - self._progress_at[partition] > STALLED_AFTER_S
        ]
        if stalled and self._free_slots:
            telemetry.logger().error(telemetry.CONSUMER_STALLED, partitions=stalled)
            await self._source.rebuild()  # its next turn says that everything is lost

    async def _drain(self) -> None:
        """Polls on, paused, so that the group keeps us while the last events finish."""
        deadline = self._clock() + self._flow.drain_timeout_s
        self._surplus.clear()
        while self._tasks and self._clock() < deadline:
            self.turned_at = self._clock()
            self._paused = self._assignment
            await self._poll(1, 0)
            self._surplus.clear()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=COMPLETION_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
            self._collect()
        await self._cancel(list(self._tasks))
        while not await self._commit() and self._clock() < deadline:
            await self._poll(1, 0)
            self._surplus.clear()

    async def _cancel(self, tasks: list[asyncio.Task[Outcome]]) -> None:
        for task in tasks:
            del self._tasks[task]
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
