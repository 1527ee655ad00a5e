"""The bugs of kafka-python behind worker/kafka/workarounds.py, each without and with its workaround.

If an update of the client makes a "without" test fail, the workaround is no longer needed.
"""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewPartitions
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.base import MemberState
from kafka.errors import CorruptRecordError, KafkaConnectionError, KafkaError, KafkaTimeoutError
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport
from kafka.record.default_records import DefaultRecordBatch

from pipeline.errors import FatalError
from pipeline.wire.record import RawRecord
from tests.support.servers.services import KafkaForTests, eventually
from worker.common.sections import KafkaSettings
from worker.kafka import client as kafka_client
from worker.kafka import consumer as consumer_module
from worker.kafka import workarounds
from worker.kafka.poll_result import PollResult
from worker.kafka.source import KafkaSource
from worker.kafka.unpacking import limit_unpacking
from worker.kafka.workarounds import finish_joining, release_parked_records

Workaround = Callable[[KafkaConsumer], None]
PATIENCE_S = 60
UNLISTED = 99
"""a broker that no answer lists"""


def do_nothing(_consumer: KafkaConsumer) -> None:
    return


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def build_member(kafka: KafkaForTests, topic: str, group: str, closing: ExitStack) -> KafkaConsumer:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=[CooperativeStickyAssignor],
        heartbeat_interval_ms=1000,
    )
    closing.callback(consumer.close)
    return consumer


def build_settings(kafka: KafkaForTests, topic: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=f"group-{uuid4().hex[:8]}",
        input_topic=topic,
        verdict_topic=topic,
        dead_letter_topic=topic,
    )


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[KafkaSettings], KafkaSource]]:
    sources: list[KafkaSource] = []

    def open_source(settings: KafkaSettings) -> KafkaSource:
        sources.append(KafkaSource(settings))
        return sources[-1]

    yield open_source
    await asyncio.gather(*(source.close() for source in sources))


async def poll_source(source: KafkaSource, committable: dict[int, int] | None = None) -> PollResult:
    return await source.poll(max_records=100, paused=frozenset(), committable=committable or {}, timeout_s=0.1)


async def read(source: KafkaSource, count: int) -> list[RawRecord]:
    found: list[RawRecord] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            found += (await poll_source(source)).records
    return found


@pytest.mark.parametrize(
    ("workaround", "delivered"), [(do_nothing, 0), (release_parked_records, 90)], ids=["without", "with"]
)
def test_resumed_partition_speaks_again(
    kafka: KafkaForTests, closing: ExitStack, workaround: Workaround, delivered: int
) -> None:
    topic = kafka.create_topic("paused", partitions=2)
    kafka.send(topic, *[b"x"] * 100, partition=0)
    kafka.send(topic, *[b"x"] * 100, partition=1)
    consumer = build_member(kafka, topic, topic, closing)

    def poll(seconds: float, enough: int) -> dict[TopicPartition, int]:
        counts = {TopicPartition(topic, partition): 0 for partition in (0, 1)}
        deadline = time.monotonic() + seconds
        while sum(counts.values()) < enough and time.monotonic() < deadline:
            workaround(consumer)
            for tp, records in consumer.poll(timeout_ms=50, max_records=10).items():
                counts[tp] += len(records)
        return counts

    begun = poll(PATIENCE_S, enough=10)
    (first,) = (tp for tp, count in begun.items() if count)
    consumer.pause(first)
    assert poll(PATIENCE_S, enough=100)[first] == 0
    consumer.resume(first)
    assert poll(PATIENCE_S if delivered else 3, enough=90)[first] == delivered


@pytest.mark.parametrize(
    ("workaround", "joined"), [(do_nothing, False), (finish_joining, True)], ids=["without", "with"]
)
def test_leader_that_rejoins_for_new_partitions_comes_in(
    kafka: KafkaForTests, closing: ExitStack, workaround: Workaround, joined: bool
) -> None:
    topic = kafka.create_topic("grown")
    leader, follower = build_member(kafka, topic, topic, closing), build_member(kafka, topic, topic, closing)

    def poll(
        *consumers: KafkaConsumer,
        until: Callable[[], bool],
        workaround: Workaround = workaround,
        seconds: float = PATIENCE_S,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not until() and time.monotonic() < deadline:
            for consumer in consumers:
                workaround(consumer)
                consumer.poll(timeout_ms=20)

    def is_stable(consumer: KafkaConsumer) -> bool:
        return bool(consumer.group_metadata().state == MemberState.STABLE)

    poll(leader, until=lambda: bool(leader.assignment()), workaround=finish_joining)
    poll(leader, follower, until=lambda: is_stable(follower) and is_stable(leader), workaround=finish_joining)
    assert leader.assignment()

    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    closing.callback(admin.close)
    admin.create_partitions({topic: NewPartitions(2)})
    while leader.partitions_for_topic(topic) != {0, 1}:
        leader._cluster.request_update()
        time.sleep(0.05)
    before = read_generation(follower)
    poll(leader, until=lambda: not is_stable(leader))  # it waits for the follower, longer than a poll
    poll(follower, until=lambda: read_generation(follower) > before and is_stable(follower))  # the leader has assigned
    poll(leader, follower, until=lambda: is_stable(leader), seconds=PATIENCE_S if joined else 3)
    assert is_stable(leader) is joined


@pytest.mark.parametrize(
    ("workaround", "joined"), [(do_nothing, False), (finish_joining, True)], ids=["without", "with"]
)
def test_members_whose_polls_are_short_and_far_between_join(
    kafka: KafkaForTests, closing: ExitStack, workaround: Workaround, joined: bool
) -> None:
    """These are the polls of a loop that is full."""
    topic = kafka.create_topic("full", partitions=2)
    members = [build_member(kafka, topic, topic, closing) for _ in range(2)]
    deadline = time.monotonic() + (PATIENCE_S if joined else 5)
    while time.monotonic() < deadline and not all(len(consumer.assignment()) == 1 for consumer in members):
        for consumer in members:
            workaround(consumer)
            consumer.poll(timeout_ms=0)
        time.sleep(0.1)
    assert all(len(consumer.assignment()) == 1 for consumer in members) is joined
    if joined:
        assert max(read_generation(consumer) for consumer in members) < 10


def read_generation(consumer: KafkaConsumer) -> int:
    return int(consumer.group_metadata().generation_id)


def send_odd_batch(kafka: KafkaForTests, topic: str, *, compression: str | None) -> None:
    """Send three records in one batch; the key of a header of the second is not UTF-8."""

    class Odd(str):
        def encode(self, *_args: object) -> bytes:
            return b"caf\xe9"

    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, linger_ms=60_000, compression_type=compression)
    headers = [("before", b"1"), (Odd("odd"), b"\xff"), ("after", b"")]
    sent = [producer.send(topic, value, headers=headers if value == b"b" else []) for value in (b"a", b"b", b"c")]
    producer.flush(timeout=PATIENCE_S)
    assert all(future.succeeded() for future in sent)
    producer.close(timeout=5)


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
async def test_odd_header_key_is_read_and_harms_no_neighbour(
    kafka: KafkaForTests, opened: Callable[[KafkaSettings], KafkaSource], compression: str | None
) -> None:
    topic = kafka.create_topic("odd")
    send_odd_batch(kafka, topic, compression=compression)
    source = opened(build_settings(kafka, topic))
    await source.start()
    records = await read(source, 3)
    assert [record.value for record in records] == [b"a", b"b", b"c"]
    assert records[1].headers == (("before", b"1"), ("caf?", b"\xff"), ("after", b""))


async def test_batch_that_unpacks_to_more_than_the_limit_is_fatal(
    kafka: KafkaForTests, opened: Callable[[KafkaSettings], KafkaSource], closing: ExitStack
) -> None:
    closing.callback(limit_unpacking, KafkaSettings().max_batch_bytes)
    topic = kafka.create_topic("bomb", partitions=2)
    settings = build_settings(kafka, topic).model_copy(update={"max_batch_bytes": 1 << 20})
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, linger_ms=60_000, compression_type="zstd",
                             batch_size=1 << 24, max_request_size=1 << 24)  # fmt: skip
    sent = [producer.send(topic, b"x" * 600_000, partition=1) for _ in range(2)]
    producer.flush(timeout=PATIENCE_S)
    assert all(future.succeeded() for future in sent)
    producer.close(timeout=5)
    source = opened(settings)
    await source.start()
    with pytest.raises(FatalError, match=rf"{topic}, partition 1,.*offsets 0 to 1 .*MAX_BATCH_BYTES.* to 2$"):
        await read(source, 1)


async def test_added_partitions_are_found_soon(
    kafka: KafkaForTests, opened: Callable[[KafkaSettings], KafkaSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert consumer_module.METADATA_AGE_S < 30
    monkeypatch.setattr(consumer_module, "METADATA_AGE_S", 1.0)
    topic = kafka.create_topic("grown")
    source = opened(build_settings(kafka, topic))
    await source.start()
    kafka.send(topic, b"old")
    await read(source, 1)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    admin.create_partitions({topic: NewPartitions(2)})
    admin.close()
    async with asyncio.timeout(PATIENCE_S):
        while len((await poll_source(source)).assignment) < 2:
            pass


async def test_batch_that_cannot_be_read_is_fatal_and_not_an_endless_loop(
    kafka: KafkaForTests, opened: Callable[[KafkaSettings], KafkaSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.create_topic("odd")
    send_odd_batch(kafka, topic, compression=None)
    source = opened(build_settings(kafka, topic))
    await source.start()
    monkeypatch.setattr(DefaultRecordBatch, "_read_msg", workarounds._read_record)
    assert [record.value for record in await read(source, 1)] == [b"a"]
    for _ in range(2):
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(FatalError, match=f"{topic}, partition 0,.*{CorruptRecordError.__name__}"):
                await read(source, 1)


async def test_answer_that_nobody_read_is_not_taken_for_a_new_one(
    kafka: KafkaForTests, opened: Callable[[KafkaSettings], KafkaSource]
) -> None:
    topic = kafka.create_topic("stale", partitions=2)
    settings = build_settings(kafka, topic)
    for partition in (0, 1):
        kafka.send(topic, *[b"x"] * 5, partition=partition)
    stays, visits = opened(settings), opened(settings)
    await stays.start()
    await read(stays, 10)

    def abandon_question(partition: int) -> None:
        assert stays._consumer is not None
        with suppress(KafkaTimeoutError):
            while True:  # an answer that is there at once leaves do_nothing behind
                stays._consumer._client.committed(TopicPartition(topic, partition), timeout_ms=0)

    for partition in (0, 1):
        await stays._thread.run(lambda partition=partition: abandon_question(partition))
    async with asyncio.timeout(PATIENCE_S):
        while not await stays.commit({0: 5, 1: 5}):
            assert (await poll_source(stays)).records == []

    await visits.start()
    async with asyncio.timeout(PATIENCE_S):
        while not (await poll_source(visits)).assignment:
            assert (await poll_source(stays)).records == []
        await visits.close()
        while len((await poll_source(stays)).assignment) < 2:
            pass
    again = [record for _ in range(10) for record in (await poll_source(stays)).records]
    assert again == []


@pytest.mark.parametrize("kind", [KafkaAdminClient, KafkaConsumer, KafkaProducer])
def test_failed_connection_leaves_no_thread_behind(
    kind: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_client, "BOOTSTRAP_TIMEOUT_S", 0.2)
    before = set(threading.enumerate())
    for _ in range(3):
        with pytest.raises(KafkaError):
            kafka_client.connect(kind, KafkaSettings(bootstrap_servers="127.0.0.1:9"))
    assert eventually(lambda: before.issuperset(threading.enumerate()))


@pytest.mark.parametrize("fixed", [False, True])
def test_refused_connection_leaves_no_socket_behind(fixed: bool) -> None:
    workarounds.close_all_sockets()
    connect = KafkaNetSocket.sock_connect if fixed else workarounds._connect
    network, ours = NetworkSelector(), socket.socket()
    ours.setblocking(False)
    with ours:
        with pytest.raises(KafkaConnectionError):
            network.run(connect, KafkaNetSocket(), network, ours, ("127.0.0.1", 9))
        assert (ours.fileno() == -1) is fixed
        network.close()


@pytest.mark.parametrize("fixed", [False, True])
def test_client_that_closes_leaves_no_connection_behind(fixed: bool) -> None:
    workarounds.close_all_sockets()
    close = NetworkSelector.close if fixed else workarounds._close_network
    network = NetworkSelector()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        KafkaTCPTransport(network, ours).resume_reading()
        network.drain()
        close(network)
        assert (ours.fileno() == -1) is fixed


@pytest.mark.parametrize("fixed", [False, True])
def test_leader_without_an_address_delays_a_message_and_does_not_hold_it_for_ever(
    fixed: bool, kafka: KafkaForTests, monkeypatch: pytest.MonkeyPatch, closing: ExitStack
) -> None:
    topic = kafka.create_topic()
    get_connection = workarounds._get_listed_connection if fixed else workarounds._get_connection
    monkeypatch.setattr(KafkaConnectionManager, "get_connection", get_connection)
    producer = KafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, acks="all", request_timeout_ms=1000, delivery_timeout_ms=2000
    )
    closing.callback(workarounds.close_producer, producer, 1)
    producer.send(topic, b"first").get(PATIENCE_S)
    assert eventually(lambda: producer._metadata.ttl() > 1000), "it still asks for the leaders"
    place_leader_at_unlisted_broker(producer, TopicPartition(topic, 0))
    sent = producer.send(topic, b"second")
    assert eventually(lambda: sent.is_done, within_s=4) is fixed
    assert len(kafka.read_records(topic)) == 1 + fixed


def place_leader_at_unlisted_broker(producer: KafkaProducer, partition: TopicPartition) -> None:
    """Do what an answer does whose leaders were read before a change and whose brokers were read after it."""
    producer._metadata._partitions[partition.topic][partition.partition].leader_id = UNLISTED
    producer._metadata._broker_partitions[UNLISTED].add(partition)


@pytest.mark.parametrize("fixed", [False, True])
def test_what_comes_together_with_the_end_of_a_connection_is_read(fixed: bool) -> None:
    workarounds.keep_bytes_before_close()
    receive = KafkaTCPTransport._sock_recv if fixed else workarounds._RECEIVING[KafkaTCPTransport]
    ours, theirs = socket.socketpair()
    theirs.sendall(b"wrong password")
    theirs.close()
    ours.setblocking(False)
    with ours:
        received, end = receive(SimpleNamespace(_sock=ours))
        assert received == b"wrong password"
        assert (end is None) is fixed, "with an end, the client throws away what it received"
        assert isinstance(receive(SimpleNamespace(_sock=ours))[1], KafkaError)
