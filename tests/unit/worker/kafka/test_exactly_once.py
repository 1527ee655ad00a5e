import asyncio

import pytest

from pipeline.errors import BrokerUnavailable, FatalError, MalformedEvent, MessageTooLarge, OutageError
from pipeline.wire.record import RawRecord
from tests.support.fakes_kafka import DEAD_LETTER_TOPIC, VERDICT_TOPIC, FakeBroker, FakeSource, FakeTransactions
from worker.common.sections import FlowSettings, KafkaSettings
from worker.handler import Outcome
from worker.kafka.exactly_once import ExactlyOnce
from worker.kafka.outgoing import OutgoingMessage
from worker.kafka.poll_result import PollResult
from worker.kafka.publisher import KafkaPublisher
from worker.loop import WorkerLoop
from worker.observe.telemetry import Metrics

NONE: frozenset[int] = frozenset()


class Worker:
    """Does the steps of loop and handler one by one: poll, answer a record, commit."""

    def __init__(self, broker: FakeBroker) -> None:
        self.source: FakeSource = broker.build_source()
        self.transactions: FakeTransactions = broker.build_transactions()
        self.outages: list[str] = []
        self.acknowledged: list[int] = []
        self.delivery = ExactlyOnce(
            self.source, self.transactions, verdict_topic=VERDICT_TOPIC, on_outage=self.note_outage
        )

    def note_outage(self, refusal: OutageError | None) -> None:
        self.outages.append("over" if refusal is None else refusal.code)

    async def start(self) -> "Worker":
        await self.delivery.check()
        await self.delivery.start()
        return self

    async def poll(self) -> PollResult:
        return await self.delivery.poll(max_records=100, paused=NONE, committable={}, timeout_s=0)

    async def answer(self, record: RawRecord, *, topic: str = VERDICT_TOPIC) -> None:
        await self.delivery.deliver(
            topic,
            record,
            lambda _limit: OutgoingMessage(None, record.value, ()),
            acknowledged=lambda: self.acknowledged.append(record.offset),
        )


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker(partitions=1)


@pytest.fixture
async def worker(broker: FakeBroker) -> Worker:
    broker.send(b"a", b"b", b"c", b"d")
    worker = await Worker(broker).start()
    for record in (await worker.poll()).records:
        await worker.answer(record)
    return worker


def list_values(broker: FakeBroker) -> list[bytes | None]:
    return [message.value for message in broker.verdicts]


async def test_answers_wait_for_the_commit_that_passes_them(broker: FakeBroker, worker: Worker) -> None:
    assert list_values(broker) == []
    assert await worker.delivery.commit({0: 2})
    assert (list_values(broker), broker.committed, worker.acknowledged) == ([b"a", b"b"], {0: 2}, [0, 1])
    assert await worker.delivery.commit({0: 4})
    assert (list_values(broker), broker.committed) == ([b"a", b"b", b"c", b"d"], {0: 4})


async def test_what_went_wrong_before_the_commit_is_sent_again(broker: FakeBroker, worker: Worker) -> None:
    worker.transactions.errors.append(BrokerUnavailable("the connection died"))
    assert not await worker.delivery.commit({0: 4})
    assert (list_values(broker), worker.acknowledged, worker.outages) == ([], [], ["broker_unavailable"])
    assert await worker.delivery.commit({0: 4})
    assert list_values(broker) == [b"a", b"b", b"c", b"d"]
    assert worker.outages == ["broker_unavailable", "over"]


async def test_what_was_committed_after_all_is_not_sent_again(broker: FakeBroker, worker: Worker) -> None:
    worker.transactions.late_errors.append(BrokerUnavailable("no answer came"))
    assert not await worker.delivery.commit({0: 3})
    assert await worker.delivery.commit({0: 4})
    assert list_values(broker) == [b"a", b"b", b"c", b"d"]
    assert worker.acknowledged == [0, 1, 2, 3]


async def test_an_offset_that_was_committed_before_the_log_was_cut_acknowledges_nothing(broker: FakeBroker) -> None:
    broker.send(b"a", b"b", b"c")
    broker.commit_elsewhere(100, partition=0)
    worker = await Worker(broker).start()
    for record in (await worker.poll()).records:
        await worker.answer(record)
    worker.transactions.errors.append(BrokerUnavailable("the connection died"))
    assert not await worker.delivery.commit({0: 2})
    assert await worker.delivery.commit({0: 3})
    assert (list_values(broker), worker.acknowledged) == ([b"a", b"b", b"c"], [0, 1, 2])


async def test_an_attempt_that_ends_where_the_log_was_committed_before_its_cut_is_sent_again(
    broker: FakeBroker, worker: Worker
) -> None:
    assert await worker.delivery.commit({0: 4})
    broker.log[0] = broker.log[0][:2]
    await worker.poll()
    for record in (await worker.poll()).records:
        assert record.offset < 2
    broker.send(b"x", b"y")
    for record in (await worker.poll()).records:
        await worker.answer(record)
    worker.transactions.errors.append(BrokerUnavailable("the connection died"))
    assert not await worker.delivery.commit({0: 4})
    assert await worker.delivery.commit({0: 4})
    assert list_values(broker) == [b"a", b"b", b"c", b"d", b"x", b"y"]


async def test_answers_to_records_that_were_read_after_a_cut_are_not_taken_for_those_of_an_earlier_attempt(
    broker: FakeBroker, worker: Worker
) -> None:
    worker.transactions.late_errors.append(BrokerUnavailable("no answer came"))
    assert not await worker.delivery.commit({0: 4})
    broker.log[0].clear()
    broker.send(b"x", b"y")
    for record in (await worker.poll()).records:
        await worker.answer(record)
    assert await worker.delivery.commit({0: 2})
    assert list_values(broker) == [b"a", b"b", b"c", b"d", b"x", b"y"]
    assert worker.acknowledged == [0, 1, 2, 3, 0, 1]


async def test_the_offset_of_another_owner_acknowledges_nothing(broker: FakeBroker, worker: Worker) -> None:
    """The new owner has stopped exactly where our attempt would have."""
    worker.transactions.errors.append(BrokerUnavailable("the connection died"))
    assert not await worker.delivery.commit({0: 4})
    broker.evict(worker.source)
    for record in (await worker.poll()).records:
        await worker.answer(record)
    await worker.poll()
    broker.commit_elsewhere(4, partition=0)
    assert await worker.delivery.commit({0: 4})
    assert (list_values(broker), worker.acknowledged) == ([b"a", b"b", b"c", b"d"], [0, 1, 2, 3])


async def test_a_large_commit_is_split_into_transactions_of_bounded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = FakeBroker(partitions=2)
    broker.send(*[b"x" * 300] * 3)
    broker.send(*[b"y" * 300] * 2, partition=1)
    worker = await Worker(broker).start()
    for record in (await worker.poll()).records:
        await worker.answer(record)
        await worker.answer(record)
    monkeypatch.setattr("worker.kafka.exactly_once.TRANSACTION_BYTES", 2000)
    assert await worker.delivery.commit({0: 3, 1: 2})
    assert broker.commits == [{0: 2}, {0: 3, 1: 1}, {1: 2}]
    assert list_values(broker) == [b"x" * 300] * 6 + [b"y" * 300] * 4


async def test_a_record_whose_answers_are_larger_than_a_transaction_has_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch, broker: FakeBroker, worker: Worker
) -> None:
    monkeypatch.setattr("worker.kafka.exactly_once.TRANSACTION_BYTES", 1)
    assert await worker.delivery.commit({0: 4})
    assert broker.commits == [{0: 1}, {0: 2}, {0: 3}, {0: 4}]


async def test_dead_letters_of_one_record_leave_their_values_out_before_a_transaction_is_too_large(
    monkeypatch: pytest.MonkeyPatch, broker: FakeBroker
) -> None:
    """All answers of a record are in one transaction, and each of its letters holds the whole record."""
    monkeypatch.setattr("worker.kafka.exactly_once.TRANSACTION_BYTES", 3500)
    broker.send(b"x" * 1000, b"y" * 1000)
    worker = await Worker(broker).start()
    publisher = KafkaPublisher(KafkaSettings(dead_letter_topic=DEAD_LETTER_TOPIC), "test", worker.delivery)
    for record in (await worker.poll()).records:
        for _ in range(3):
            await publisher.publish_dead_letter(record, MalformedEvent("broken"), event_id=None)
        await worker.answer(record)
    assert await worker.delivery.commit({0: 2})
    assert [len(letter.value or b"") for letter in broker.dead_letters] == [1000, 1000, 0] * 2
    assert [("zoomin-dlt-value", b"omitted") in letter.headers for letter in broker.dead_letters] == [
        False, False, True] * 2  # fmt: skip
    assert list_values(broker) == [b"x" * 1000, b"y" * 1000]


async def test_when_a_later_one_of_several_transactions_fails_the_earlier_ones_stay(
    monkeypatch: pytest.MonkeyPatch, broker: FakeBroker, worker: Worker
) -> None:
    monkeypatch.setattr("worker.kafka.exactly_once.TRANSACTION_BYTES", 1)
    accepted = worker.transactions.commit

    async def fail_third(messages, offsets, *more):  # type: ignore[no-untyped-def]
        if offsets == {0: 3}:
            worker.transactions.late_errors.append(BrokerUnavailable("no answer came"))
            monkeypatch.undo()
        return await accepted(messages, offsets, *more)

    monkeypatch.setattr(worker.transactions, "commit", fail_third)
    assert not await worker.delivery.commit({0: 4})
    assert worker.acknowledged == [0, 1]
    assert await worker.delivery.commit({0: 4})
    assert (list_values(broker), worker.acknowledged) == ([b"a", b"b", b"c", b"d"], [0, 1, 2, 3])


async def test_answers_of_a_partition_that_was_taken_are_never_seen(broker: FakeBroker, worker: Worker) -> None:
    broker.evict(worker.source)
    poll_result = await worker.poll()
    assert poll_result.lost == {0}
    await worker.poll()
    assert await worker.delivery.commit({0: 4})
    assert list_values(broker) == []


async def test_a_fenced_member_commits_nothing_and_is_no_outage(broker: FakeBroker, worker: Worker) -> None:
    broker.evict(worker.source)
    assert not await worker.delivery.commit({0: 4}), "the poll that reports the loss has not come yet"
    assert (list_values(broker), broker.committed, worker.outages) == ([], {}, [])
    for record in (await worker.poll()).records:
        await worker.answer(record)
    await worker.poll()
    assert await worker.delivery.commit({0: 4})
    assert list_values(broker) == [b"a", b"b", b"c", b"d"]


async def test_while_the_broker_is_away_answers_stay_and_nothing_is_raised(broker: FakeBroker, worker: Worker) -> None:
    broker.down = True
    assert not await worker.delivery.commit({0: 4})
    assert not await worker.delivery.commit({0: 4})
    broker.down = False
    assert await worker.delivery.commit({0: 4})
    assert (list_values(broker), worker.outages) == ([b"a", b"b", b"c", b"d"], ["broker_unavailable", "over"])


async def test_nothing_is_sent_between_a_rebuild_and_the_poll_that_reports_the_loss(
    broker: FakeBroker, worker: Worker
) -> None:
    """There is no consumer to ask for the outcome of an earlier attempt."""
    await worker.delivery.rebuild()
    assert not await worker.delivery.commit({0: 4})
    assert (list_values(broker), broker.commits) == ([], [])


async def test_a_fatal_error_leaves_the_worker(broker: FakeBroker, worker: Worker) -> None:
    worker.transactions.errors.append(FatalError("somebody else has our id"))
    with pytest.raises(FatalError):
        await worker.delivery.commit({0: 4})
    assert (list_values(broker), broker.committed) == ([], {})


async def test_nothing_is_committed_outside_a_transaction_when_a_partition_goes(broker: FakeBroker) -> None:
    broker.send(b"a")
    worker = await Worker(broker).start()
    await worker.poll()
    joining = broker.build_source()
    await joining.start()
    await worker.delivery.poll(max_records=1, paused=NONE, committable={0: 1}, timeout_s=0)
    assert broker.commits == []


async def test_the_loop_reads_no_further_than_its_span_while_transactions_fail(broker: FakeBroker) -> None:
    """Each answer takes memory until it is committed."""
    broker.send(*[b"x"] * 100)
    worker = Worker(broker)
    await worker.start()
    worker.transactions.errors += [BrokerUnavailable("away")] * 20

    handled: list[int] = []

    class Handler:
        async def handle(self, record: RawRecord) -> Outcome:
            handled.append(record.offset)
            await worker.answer(record)
            return Outcome((None,))

    ticks = iter(range(1_000_000))
    loop = WorkerLoop(
        worker.delivery,
        Handler(),
        FlowSettings(max_in_flight=4, max_span=10),
        commit_interval_s=1,
        metrics=Metrics(),
        clock=lambda: next(ticks) * 0.1,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(loop.run(stop))
    async with asyncio.timeout(60):
        while worker.transactions.errors:
            furthest = max(handled, default=0)
            await asyncio.sleep(0)
        assert 0 < furthest < 10 + 4
        while broker.committed.get(0) != 100:  # noqa: ASYNC110
            await asyncio.sleep(0)
    stop.set()
    await running
    assert len(list_values(broker)) == 100


async def test_a_message_that_its_topic_does_not_take_is_taken_when_the_limit_is_raised(broker: FakeBroker) -> None:
    broker.send(b"a")
    worker = await Worker(broker).start()
    (record,) = (await worker.poll()).records
    broker.limit_bytes *= 2

    def build_message(limit_bytes: int) -> OutgoingMessage:
        if limit_bytes < broker.limit_bytes:
            raise MessageTooLarge("larger than the topic takes")
        return OutgoingMessage(None, record.value, ())

    async def deliver() -> None:
        await worker.delivery.deliver(VERDICT_TOPIC, record, build_message, acknowledged=lambda: None)

    with pytest.raises(MessageTooLarge):
        await deliver()
    await deliver()
    assert await worker.delivery.commit({0: 1})
    assert list_values(broker) == [b"a"]


async def test_a_probe_is_content_once_a_transaction_was_committed_and_none_failed_since(
    broker: FakeBroker, worker: Worker
) -> None:
    with pytest.raises(BrokerUnavailable):
        await worker.delivery.probe()
    assert await worker.delivery.commit({0: 2})
    await worker.delivery.probe()
    broker.down = True
    assert not await worker.delivery.commit({0: 4})
    with pytest.raises(BrokerUnavailable):
        await worker.delivery.probe()


async def test_a_probe_is_not_content_before_the_verdict_topic_has_taken_a_verdict(broker: FakeBroker) -> None:
    broker.send(b"a", b"b", b"c")
    worker = await Worker(broker).start()
    ignored, malformed, judged = (await worker.poll()).records
    assert await worker.delivery.commit({0: ignored.offset + 1})
    await worker.answer(malformed, topic=DEAD_LETTER_TOPIC)
    assert await worker.delivery.commit({0: malformed.offset + 1})
    with pytest.raises(BrokerUnavailable, match=VERDICT_TOPIC):
        await worker.delivery.probe()
    await worker.answer(judged)
    assert await worker.delivery.commit({0: judged.offset + 1})
    await worker.delivery.probe()
