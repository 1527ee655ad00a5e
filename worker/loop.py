"""The worker's one loop: poll, admit, collect, commit. It owns all state that changes and applies back-pressure.

Invariant: at most `max_in_flight` events hold slots (one that waits for its bucket holds none); no partition runs
further than `max_span` ahead of its commit; an offset is committed only when every offset before it is answered, under
the assignment that read it.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Protocol

from pipeline.errors import DeadLetterFlood
from pipeline.wire.record import RawRecord
from worker.breaker import Breaker
from worker.common.sections import FlowSettings
from worker.common.waiting_room import WaitingRoom
from worker.dead_letter_shares import DeadLetterShares, ShareAlarm
from worker.handler import Outcome
from worker.kafka.poll_result import PollResult
from worker.ledger import OffsetLedger, Position
from worker.observe import telemetry
from worker.observe.telemetry import Metrics
from worker.stall_watch import StallWatch

POLL_S = 0.1
COMPLETION_WAIT_S = 0.5
LAG_CHECK_S = 5.0


class Source(Protocol):
    async def poll(
        self, *, max_records: int, paused: frozenset[int], committable: Mapping[int, int], timeout_s: float
    ) -> PollResult: ...

    async def commit(self, offsets: Mapping[int, int]) -> bool: ...

    async def measure_lag(self) -> dict[int, int]: ...

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
        waiting_room: WaitingRoom | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._handler = handler
        self._flow = flow
        self._commit_interval_s = commit_interval_s
        self._metrics = metrics
        self._waiting_room = waiting_room or WaitingRoom(places=0)
        self._clock = clock
        self._ledger = OffsetLedger()
        self._breaker = Breaker()
        self._shares = DeadLetterShares()
        self._tasks: dict[asyncio.Task[Outcome], Position] = {}
        self._admitted = itertools.count()
        self._surplus: deque[tuple[RawRecord, Position]] = deque()
        self._assignment: frozenset[int] = frozenset()
        self._paused: frozenset[int] = frozenset()
        self._stall_watch = StallWatch()
        self._committed_at = self._checked_at = clock()
        self.turned_at = clock()
        self.joined = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then until everything in flight is answered or the drain deadline has passed.

        Raises: FatalError, after which nothing more is committed.
        """
        try:
            while not stop.is_set():
                await self._run_once()
            await self._drain()
        finally:
            await self._cancel(list(self._tasks))

    async def _run_once(self) -> None:
        self.turned_at = self._clock()
        self._collect()
        self._paused = self._choose_paused()
        await self._poll(max(1, self._free_slots), POLL_S if self._free_slots else 0)
        self._admit()
        if not self._free_slots:
            await asyncio.wait(self._tasks, timeout=COMPLETION_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        if self._clock() - self._committed_at >= self._commit_interval_s:
            await self._commit()
        if self._clock() - self._checked_at >= LAG_CHECK_S:
            await self._check_lag()

    @property
    def _free_slots(self) -> int:
        return max(0, self._flow.max_in_flight - self._slots_held - len(self._surplus))

    @property
    def _slots_held(self) -> int:
        return len(self._tasks) - self._waiting_room.occupied

    def _choose_paused(self) -> frozenset[int]:
        if not self._free_slots:
            return self._assignment
        return frozenset(p for p in self._assignment if self._ledger.measure_span(p) >= self._flow.max_span)

    async def _poll(self, max_records: int, timeout_s: float) -> None:
        result = await self._source.poll(
            max_records=max_records,
            paused=self._paused,
            committable=self._ledger.find_committable(),
            timeout_s=timeout_s,
        )
        await self._apply_rebalance(result)
        self._metrics.skipped.inc(result.skipped)
        for truncation in result.truncations:
            self._metrics.log_truncations.inc()
            telemetry.get_logger().error(telemetry.LOG_TRUNCATED, **asdict(truncation))
        for record in result.records:
            self._stall_watch.reset(record.partition)
            self._surplus.append((record, self._ledger.begin(record.partition, record.offset)))
        for partition, position in result.positions.items():
            self._ledger.skip_gaps(partition, position)

    async def _apply_rebalance(self, result: PollResult) -> None:
        gone = result.revoked | result.lost
        if gone:
            await self._drop(gone)
        for partition in result.assigned:
            first = next((record.offset for record in result.records if record.partition == partition), None)
            self._ledger.assign(partition, result.positions.get(partition) if first is None else first)
        if gone or result.assigned:
            self._metrics.rebalances.inc()
            self._log_rebalance(result)
        for partition in gone:
            self._stall_watch.reset(partition)
            self._metrics.lag.remove(str(partition))
        self._assignment = result.assignment
        self.joined = result.membership is not None

    def _log_rebalance(self, result: PollResult) -> None:
        if result.lost:
            telemetry.get_logger().warning(telemetry.MEMBER_FENCED, lost=sorted(result.lost))
        if result.assigned or result.revoked:
            event = telemetry.PARTITIONS_ASSIGNED if result.assigned else telemetry.PARTITIONS_REVOKED
            telemetry.get_logger().info(event, assigned=sorted(result.assigned), revoked=sorted(result.revoked))

    async def _drop(self, partitions: frozenset[int]) -> None:
        """Cancel everything in flight of these partitions: their new owner reads it again."""
        for partition in partitions:
            self._ledger.revoke(partition)
        self._surplus = deque((r, p) for r, p in self._surplus if p.partition not in partitions)
        await self._cancel([task for task, p in self._tasks.items() if p.partition in partitions])

    def _admit(self) -> None:
        while self._surplus and self._slots_held < self._flow.max_in_flight:
            record, position = self._surplus.popleft()
            name = f"event {next(self._admitted):012d}"  # the supervisor asks suspects in this order
            self._tasks[asyncio.create_task(self._handler.handle(record), name=name)] = position
        self._metrics.in_flight.set(len(self._tasks))
        self._metrics.waiting.set(self._waiting_room.occupied)
        self._metrics.paused.set(len(self._paused))
        self._metrics.span.set(max(map(self._ledger.measure_span, self._assignment), default=0))

    def _collect(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            outcome = task.result()  # a fatal error leaves the loop here
            self._ledger.finish(self._tasks.pop(task))
            for code in outcome.codes or (None,):
                self._breaker.count(code)
            for code in outcome.codes:
                self._note_shares(self._shares.count(code))
        if self._breaker.tripped:
            raise DeadLetterFlood(self._breaker.detail)

    def _note_shares(self, changed: list[ShareAlarm]) -> None:
        for code, share in self._shares.shares.items():
            self._metrics.dead_letter_share.labels(code).set(share)
        log = telemetry.get_logger()
        for alarm in changed:
            if alarm.raised:
                log.error(telemetry.DEAD_LETTERS_PILED_UP, code=alarm.code, share=alarm.share, cure=alarm.cure)
            else:
                log.warning(telemetry.DEAD_LETTERS_CEASED, code=alarm.code, share=alarm.share)

    async def _commit(self) -> bool:
        self._committed_at = self._clock()
        offsets = self._ledger.find_committable()
        if not offsets:
            return True
        if not await self._source.commit(offsets):
            telemetry.get_logger().info(telemetry.COMMIT_POSTPONED, offsets=offsets)
            return False
        self._ledger.note_commit(offsets)
        return True

    async def _check_lag(self) -> None:
        """Measure the lag; rebuild the consumer if a partition has records and a free slot and brings none."""
        self._checked_at = self._clock()
        lag = await self._source.measure_lag()
        for partition in self._assignment & lag.keys():
            self._metrics.lag.labels(str(partition)).set(lag[partition])
        readable = self._assignment - self._paused if self._free_slots else frozenset()
        stalled = self._stall_watch.look(readable, lag, self._clock())
        if stalled:
            telemetry.get_logger().error(telemetry.CONSUMER_STALLED, partitions=stalled)
            await self._source.rebuild()  # its next poll reports all partitions as lost

    async def _drain(self) -> None:
        """Finish the events in flight; go on polling, paused, so that the group keeps us meanwhile."""
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
