import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from pipeline.errors import DeadLetterFlood, EngineDead
from pipeline.wire.record import RawRecord
from tests.support.fakes_kafka import FakeBroker, FakeSource
from worker.common.sections import FlowSettings
from worker.common.waiting_room import WaitingRoom
from worker.handler import Outcome
from worker.loop import LAG_CHECK_S, WorkerLoop
from worker.observe import telemetry
from worker.observe.telemetry import Metrics
from worker.stall_watch import STALLED_AFTER_S

VERDICT = Outcome((None,))
HANGS_S = 60.0
"""nothing here takes time but a machine that is busy with something else"""


class Handler:
    """Each record waits for its own leave to finish."""

    def __init__(self) -> None:
        self.handled: list[RawRecord] = []
        self.cancelled: list[RawRecord] = []
        self.most_at_once = 0
        self.open: dict[tuple[int, int], asyncio.Future[Outcome]] = {}

    async def handle(self, record: RawRecord) -> Outcome:
        place = (record.partition, record.offset)
        self.handled.append(record)
        self.open[place] = asyncio.get_running_loop().create_future()
        self.most_at_once = max(self.most_at_once, len(self.open))
        try:
            return await self.open[place]
        except asyncio.CancelledError:
            self.cancelled.append(record)
            raise
        finally:
            del self.open[place]

    def finish(self, partition: int, offset: int, outcome: Outcome = VERDICT) -> None:
        if not self.open[partition, offset].done():
            self.open[partition, offset].set_result(outcome)


class AtOnce:
    def __init__(self, outcome: Outcome = VERDICT) -> None:
        self.handled: list[RawRecord] = []
        self._outcome = outcome

    async def handle(self, record: RawRecord) -> Outcome:
        self.handled.append(record)
        return self._outcome


class Clock:
    """Goes on by a hundredth of a second whenever it is read, unless it is stopped."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stopped = False

    def __call__(self) -> float:
        if not self.stopped:
            self.now += 0.01
        return self.now


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def running(broker: FakeBroker, clock: Clock):  # type: ignore[no-untyped-def]
    """Return a function that starts loops; end them all after the test."""
    tasks: list[asyncio.Task[None]] = []

    async def start(
        handler: object, source: FakeSource | None = None, waiting_room: WaitingRoom | None = None, **flow: float
    ) -> "Running":
        source = source or broker.build_source()
        await source.start()
        metrics = Metrics()
        loop = WorkerLoop(
            source,
            handler,  # type: ignore[arg-type]
            FlowSettings(**{"max_in_flight": 4, "max_span": 100, **flow}),
            commit_interval_s=0.05,
            metrics=metrics,
            waiting_room=waiting_room,
            clock=clock,
        )
        stop = asyncio.Event()
        tasks.append(asyncio.create_task(loop.run(stop)))
        return Running(loop, tasks[-1], stop, metrics)

    return start


class Running:
    def __init__(self, loop: WorkerLoop, task: asyncio.Task[None], stop: asyncio.Event, metrics: Metrics) -> None:
        self.loop, self.task, self.stop, self.metrics = loop, task, stop, metrics

    def metric(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


Start = Callable[..., Awaitable[Running]]


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(HANGS_S):
        while not true():  # noqa: ASYNC110 - what is waited for is the state of the code under test
            await asyncio.sleep(0)


async def test_commits_never_pass_an_open_offset(broker: FakeBroker, clock: Clock, running: Start) -> None:
    broker.send(b"a", b"b", b"c")
    handler = Handler()
    await running(handler)
    await until(lambda: len(handler.open) == 3)
    handler.finish(0, 2)
    handler.finish(0, 1)
    await until(lambda: len(handler.open) == 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert broker.committed.get(0, 0) == 0
    handler.finish(0, 0)
    await until(lambda: not handler.open)
    await until(lambda: broker.committed.get(0) == 3)


async def test_no_more_events_run_than_there_are_slots(broker: FakeBroker, running: Start) -> None:
    broker.send(*[b"x"] * 50)
    broker.send(*[b"x"] * 50, partition=1)
    handler = Handler()
    loop = await running(handler, max_in_flight=3)
    for done in range(20):
        await until(lambda: len(handler.open) == 3)
        handler.finish(*next(iter(handler.open)))
        await until(lambda done=done: len(handler.handled) > done + 3)  # type: ignore[misc]
    assert handler.most_at_once == 3
    assert loop.metric("zoomin_in_flight") == 3


async def test_events_that_wait_for_their_bucket_leave_their_slots_to_others(
    broker: FakeBroker, running: Start
) -> None:
    room = WaitingRoom(places=10)
    handled: list[bytes | None] = []

    class Buckets:
        async def handle(self, record: RawRecord) -> Outcome:
            while record.value == b"denied":
                await room.sleep(1)
            handled.append(record.value)
            return VERDICT

    broker.send(*[b"denied"] * 10, *[b"good"] * 20)
    loop = await running(Buckets(), waiting_room=room, max_in_flight=3)
    await until(lambda: len(handled) == 20)
    await until(lambda: loop.metric("zoomin_waiting") == 10)
    assert broker.committed.get(0, 0) == 0


async def test_more_events_that_wait_than_the_room_has_places_hold_slots(broker: FakeBroker, running: Start) -> None:
    room = WaitingRoom(places=5)
    started: list[RawRecord] = []

    class Denied:
        async def handle(self, record: RawRecord) -> Outcome:
            started.append(record)
            await room.sleep(60)
            return VERDICT

    broker.send(*[b"denied"] * 50)
    loop = await running(Denied(), waiting_room=room, max_in_flight=3)
    await until(lambda: loop.metric("zoomin_paused") == 2)
    assert len(started) == 5 + 3


async def test_a_code_that_most_events_end_with_is_reported_and_stops_nothing(
    broker: FakeBroker, running: Start
) -> None:
    broker.send(*[b"x"] * 200)
    handler = AtOnce(Outcome(("image_changed",)))
    with capture_logs() as logs:
        loop = await running(handler)
        await until(lambda: broker.committed.get(0) == 200)
    share = loop.metrics.registry.get_sample_value("zoomin_dead_letter_share", {"code": "image_changed"})
    assert share == 1.0
    (alarm,) = [line for line in logs if line["event"] == telemetry.DEAD_LETTERS_PILED_UP]
    assert alarm["code"] == "image_changed"
    assert "etag" in alarm["cure"]
    assert not loop.task.done()


async def test_a_stuck_event_holds_back_its_partition_and_no_other(broker: FakeBroker, running: Start) -> None:
    broker.send(*[b"x"] * 30)
    broker.send(*[b"y"] * 30, partition=1)
    handler = Handler()
    await running(handler, max_in_flight=8, max_span=5)

    def finish_all_but_the_first() -> bool:
        for place in [place for place in handler.open if place != (0, 0)]:
            handler.finish(*place)
        return sum(record.partition == 1 for record in handler.handled) == 30

    await until(finish_all_but_the_first)
    ahead = max(record.offset for record in handler.handled if record.partition == 0)
    assert ahead < 5 + 8, "no further than the span and what one poll brings"
    handler.finish(0, 0)

    def finish_all() -> bool:
        for place in list(handler.open):
            handler.finish(*place)
        return sum(record.partition == 0 for record in handler.handled) == 30

    await until(finish_all)


async def test_a_partition_that_leaves_takes_its_events_with_it(
    broker: FakeBroker, clock: Clock, running: Start
) -> None:
    broker.send(b"a")
    broker.send(b"b", partition=1)
    first, second = Handler(), Handler()
    await running(first)
    await until(lambda: len(first.open) == 2)
    await running(second)
    await until(lambda: second.open)
    (moved,) = first.cancelled
    assert [r.partition for r in second.handled] == [moved.partition], "the new owner reads it again"
    kept = 1 - moved.partition
    first.finish(kept, 0)
    await until(lambda: not first.open)
    await until(lambda: kept in broker.committed)
    assert moved.partition not in broker.committed


async def test_a_member_that_was_thrown_out_commits_nothing_of_the_old_time(
    broker: FakeBroker, clock: Clock, running: Start
) -> None:
    broker.send(b"a")
    handler, source = Handler(), broker.build_source()
    await running(handler, source)
    await until(lambda: handler.open)
    broker.evict(source)
    await until(lambda: len(handler.handled) == 2)
    assert len(handler.cancelled) == 1
    handler.finish(0, 0)
    await until(lambda: not handler.open)
    await until(lambda: broker.committed.get(0) == 1)
    assert len(broker.commits) == 1


async def test_a_refused_commit_is_tried_again(broker: FakeBroker, clock: Clock, running: Start) -> None:
    broker.send(b"a")
    source = broker.build_source()
    source.refuse_commits = 3
    await running(AtOnce(), source)
    await until(lambda: broker.committed.get(0) == 1)
    assert source.refuse_commits == 0


async def test_stopping_waits_for_what_is_under_way_and_reads_no_more(broker: FakeBroker, running: Start) -> None:
    broker.send(*[b"x"] * 10)
    handler = Handler()
    loop = await running(handler, max_in_flight=2)
    await until(lambda: len(handler.open) == 2)
    loop.stop.set()
    for place in list(handler.open):
        handler.finish(*place)
    await asyncio.wait_for(loop.task, HANGS_S)
    assert len(handler.handled) == 2
    assert broker.committed == {0: 2}


async def test_the_drain_deadline_cancels_the_rest_and_commits_what_is_closed(
    broker: FakeBroker, clock: Clock, running: Start
) -> None:
    broker.send(b"quick", b"stuck")
    handler = Handler()
    loop = await running(handler, drain_timeout_s=0.05)
    await until(lambda: len(handler.open) == 2)
    handler.finish(0, 0)
    loop.stop.set()
    await asyncio.wait_for(loop.task, HANGS_S)
    assert [record.value for record in handler.cancelled] == [b"stuck"]
    assert broker.committed == {0: 1}


async def test_a_fatal_error_ends_the_loop_and_commits_nothing_more(
    broker: FakeBroker, clock: Clock, running: Start
) -> None:
    broker.send(b"a", b"b")
    handler = Handler()
    loop = await running(handler)
    await until(lambda: len(handler.open) == 2)
    handler.finish(0, 0)
    handler.open[0, 1].set_exception(EngineDead("gone"))
    with pytest.raises(EngineDead):
        await asyncio.wait_for(loop.task, HANGS_S)
    assert broker.committed.get(0, 0) <= 1


async def test_a_flood_of_our_own_dead_letters_stops_the_worker(broker: FakeBroker, running: Start) -> None:
    broker.send(*[b"x"] * 60)
    loop = await running(AtOnce(Outcome(("internal_fault",))))
    with pytest.raises(DeadLetterFlood, match="internal_fault"):
        await asyncio.wait_for(loop.task, HANGS_S)


async def test_a_flood_that_senders_cause_does_not(broker: FakeBroker, running: Start) -> None:
    broker.send(*[b"x"] * 60)
    handler = AtOnce(Outcome(("malformed_event",)))
    loop = await running(handler)
    await until(lambda: len(handler.handled) == 60)
    assert not loop.task.done()


async def test_gaps_at_the_end_are_committed_over(broker: FakeBroker, clock: Clock, running: Start) -> None:
    broker.send(b"a")
    broker.leave_gap(0)
    await running(AtOnce())
    await until(lambda: broker.committed.get(0) == 2)


async def test_a_compacted_topic_is_not_held_back_by_its_gaps(broker: FakeBroker, clock: Clock, running: Start) -> None:
    for _ in range(20):
        broker.send(b"x")
        for _ in range(100):
            broker.leave_gap(0)
    handler = AtOnce()
    clock.stopped = True  # no commit comes
    await running(handler, max_span=50)
    await until(lambda: len(handler.handled) == 20)
    assert broker.commits == []


async def test_what_retention_deleted_is_counted(broker: FakeBroker, running: Start) -> None:
    broker.send(*[b"x"] * 5)
    handler, source = AtOnce(), broker.build_source()
    broker.committed[0] = 1
    broker.delete_before(3, partition=0)
    loop = await running(handler, source)
    await until(lambda: len(handler.handled) == 2)
    assert loop.metric("zoomin_offsets_skipped_total") == 2


async def test_a_log_that_was_cut_is_counted_and_read_again(broker: FakeBroker, running: Start) -> None:
    broker.send(b"a", b"b")
    broker.commit_elsewhere(50, partition=0)
    handler = AtOnce()
    loop = await running(handler)
    await until(lambda: broker.committed[0] == 2)
    assert len(handler.handled) == 2
    assert loop.metric("zoomin_log_truncations_total") == 1
    assert loop.metric("zoomin_offsets_skipped_total") == 0


class Silent(FakeSource):
    """Hands out nothing until it is rebuilt: the client's pause bug seen from outside."""

    async def poll(self, **asked):  # type: ignore[no-untyped-def, override]
        silenced = frozenset(self._positions) if not self.rebuilt else frozenset()
        return await super().poll(**{**asked, "paused": asked["paused"] | silenced})


async def wait_for_looks(clock: Clock, seconds: float) -> None:
    """Let this time pass in steps shorter than the time between two looks at the lag."""
    for _ in range(round(seconds / LAG_CHECK_S * 2)):
        before = clock.now
        clock.now += LAG_CHECK_S / 2
        await until(lambda before=before: clock.now > before + LAG_CHECK_S / 2 + 0.5)  # type: ignore[misc]


async def test_a_partition_that_could_go_on_and_does_not_gets_a_new_consumer(
    broker: FakeBroker, clock: Clock, running: Start
) -> None:
    source, handler = Silent(broker), AtOnce()
    loop = await running(handler, source)
    await until(lambda: loop.loop.joined)
    broker.send(b"a")
    await wait_for_looks(clock, STALLED_AFTER_S - 2 * LAG_CHECK_S)
    assert source.rebuilt == 0
    await wait_for_looks(clock, 3 * LAG_CHECK_S)
    await until(lambda: source.rebuilt == 1)
    await until(lambda: len(handler.handled) == 1)
    await wait_for_looks(clock, 3 * LAG_CHECK_S)
    assert source.rebuilt == 1


async def test_a_record_on_a_partition_that_was_quiet_for_long_is_no_stall(
    broker: FakeBroker, clock: Clock, running: Start
) -> None:
    class Late(FakeSource):
        """Sees a record at the first look at the lag that a later poll brings: it was sent between the two."""

        async def measure_lag(self) -> dict[int, int]:
            if clock.now > STALLED_AFTER_S + LAG_CHECK_S and not broker.log[0]:
                broker.send(b"a")
            return await super().measure_lag()

    source, handler = Late(broker), AtOnce()
    loop = await running(handler, source)
    await until(lambda: loop.loop.joined)
    await wait_for_looks(clock, STALLED_AFTER_S + 3 * LAG_CHECK_S)
    await until(lambda: len(handler.handled) == 1)
    assert source.rebuilt == 0


async def test_a_partition_that_goes_on_after_a_long_pause_is_no_stall(
    broker: FakeBroker, clock: Clock, running: Start
) -> None:
    broker.send(b"a", b"b", b"c")
    handler, source = Handler(), broker.build_source()
    await running(handler, source, max_in_flight=1)
    await until(lambda: handler.open)
    clock.now += STALLED_AFTER_S + LAG_CHECK_S
    for offset in range(3):
        handler.finish(0, offset)
        clock.now += LAG_CHECK_S  # the next turn looks at the lag at once
        await until(lambda offset=offset: len(handler.handled) == min(3, offset + 2))  # type: ignore[misc]
    await until(lambda: not handler.open)
    assert source.rebuilt == 0


async def test_a_member_without_partitions_has_joined_and_one_that_was_thrown_out_has_not(
    broker: FakeBroker, running: Start
) -> None:
    class Observed(FakeSource):
        async def poll(self, **asked):  # type: ignore[no-untyped-def, override]
            joined.append(third.joined)
            return await super().poll(**asked)

    joined: list[bool] = []
    for _ in range(2):
        await running(AtOnce())
    source = Observed(broker)
    third = (await running(AtOnce(), source)).loop
    await until(lambda: third.joined)
    assert source.assignment == frozenset()
    source.lose()  # an expulsion, which for it is the loss of nothing
    broker.down = True
    source._lost = frozenset({0})
    joined.clear()
    await until(lambda: False in joined)
    await until(lambda: joined[-1])


async def test_the_lag_of_a_partition_that_left_is_gone(broker: FakeBroker, clock: Clock, running: Start) -> None:
    def list_lags(loop: Running) -> set[str]:
        return {sample.labels["partition"] for family in loop.metrics.lag.collect() for sample in family.samples}

    first = await running(AtOnce())
    await until(lambda: first.loop.joined)
    await wait_for_looks(clock, LAG_CHECK_S)
    await until(lambda: list_lags(first) == {"0", "1"})
    second = await running(AtOnce())
    await until(lambda: len(list_lags(first)) == 1)
    await wait_for_looks(clock, LAG_CHECK_S)
    await until(lambda: len(list_lags(second)) == 1)
    assert list_lags(first) | list_lags(second) == {"0", "1"}


async def test_an_outage_of_the_broker_is_waited_out(broker: FakeBroker, clock: Clock, running: Start) -> None:
    broker.send(b"a", b"b")
    handler = AtOnce()
    broker.down = True
    loop = await running(handler)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not loop.task.done()
    broker.down = False
    await until(lambda: len(handler.handled) == 2)
