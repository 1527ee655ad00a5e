"""Cures for bugs of kafka-python 3.0 and for what it knows but does not tell.

All of it reaches into the client's private parts: written against the pinned 3.0 line, each with a test against a real
broker (tests/integration/kafka/test_workarounds.py) that says at an update whether it is still needed and still works.
"""

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from socket import socket

from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.subscription_state import SubscriptionState
from kafka.coordinator.base import MemberState
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.net.inet import KafkaNetSocket
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.producer.transaction_manager import TransactionalRequestResult
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

Receive = Callable[[KafkaTCPTransport], tuple[bytes, Exception | None]]

_connect = KafkaNetSocket.sock_connect
_close_network = NetworkSelector.close
_read_record = DefaultRecordBatch._read_msg
_RECEIVING: dict[type[KafkaTCPTransport], Receive] = {
    transport: transport._sock_recv for transport in (KafkaTCPTransport, KafkaSSLTransport)
}


def unpark(consumer: KafkaConsumer) -> None:
    """Before each poll: a partition that was paused and resumed would else stay silent for ever.

    What was fetched for a paused partition is parked. The fetcher takes it up again only while its current slot is
    None, but a drained slot stays behind, false and not None; and what is parked is not fetched anew either.
    """
    fetcher = consumer._fetcher
    if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
        fetcher._next_partition_records = None


def finish_joining(consumer: KafkaConsumer) -> None:
    """Before each poll: an attempt to join that ends between two polls would else be thrown away.

    A poll that ends before the group has gathered leaves its attempt under way for the next poll to await. That one
    starts another attempt if the first has ended meanwhile, and with it a new rebalance for everyone, again and again
    while polls are short and far between. Worse is a leader that rejoins because partitions were added, or came to be
    known: its own assignment also settles the reason for rejoining, so the next poll sees none. Nobody awaits the
    attempt then, and a member that has not joined sends no heartbeats, is expelled, and does not notice.
    """
    coordinator = consumer._coordinator
    attempt = coordinator._join_task
    if attempt is None:
        return
    if attempt.succeeded() and coordinator.state is MemberState.REBALANCING:
        consumer._net.run(_take_up, coordinator, attempt.value)
    else:
        coordinator.request_rejoin()


async def _take_up(coordinator: ConsumerCoordinator, assignment: bytes) -> None:
    """What the client does itself with an attempt that ends during a poll."""
    with coordinator._lock:
        coordinator._join_task = None
        coordinator.rejoining = False
        coordinator.rejoin_needed = False
        coordinator.state = MemberState.STABLE
        coordinator._enable_heartbeat()
    joined = coordinator._generation
    await coordinator._on_join_complete_async(joined.generation_id, joined.member_id, joined.protocol, assignment)


def drop_broken_batch(consumer: KafkaConsumer) -> None:
    """After a poll that raised: the next one would else ask the same dead iterator in an endless loop."""
    consumer._fetcher._next_partition_records = None


def clear_stale_answers(consumer: KafkaConsumer) -> None:
    """At each assignment: an unread answer about committed offsets, however old, would else be taken for a new one."""
    consumer._coordinator._offset_fetch_futures.clear()


def tolerate_odd_header_keys() -> None:
    """Makes header keys that are not UTF-8 readable, with `?` for each byte that is not ASCII.

    Brokers take any bytes as a header's key. The client raises for them and then reads the same batch for ever: one
    record of a careless producer would end the work on its partition.
    """
    DefaultRecordBatch._read_msg = _read_tolerantly


def hear_last_words() -> None:
    """Makes readable what a broker says before it hangs up, as when it refuses a password.

    The client throws away all that arrives together with the end of a connection.
    """
    for transport, receive in _RECEIVING.items():
        transport._sock_recv = _until_its_end(receive)


def close_every_socket() -> None:
    """Makes a client close all that it opened.

    It forgets a socket whose connection fails or is given up. When it ends it waits for the others until their last
    words are sent, with a loop that does not run any more. Both stay open until they are garbage.
    """
    KafkaNetSocket.sock_connect = _connect_or_close
    NetworkSelector.close = _close_with_sockets


async def _connect_or_close(
    maker: KafkaNetSocket, net: NetworkSelector, sock: socket, address: object, timeout_at: float | None = None
) -> socket:
    try:
        await _connect(maker, net, sock, address, timeout_at=timeout_at)
        return sock
    except BaseException:  # also when the attempt is given up
        sock.close()
        raise


def _close_with_sockets(network: NetworkSelector) -> None:
    if network._closed:
        return
    network.stop()
    watched = [key.fileobj for key in network._selector.get_map().values()]
    _close_network(network)
    for sock in watched:
        sock.close()


def _until_its_end(receive: Receive) -> Receive:
    def receive_first(transport: KafkaTCPTransport) -> tuple[bytes, Exception | None]:
        received, end = receive(transport)
        return received, None if received else end  # the end is still there when it is asked for again

    return receive_first


def _read_tolerantly(batch: DefaultRecordBatch) -> DefaultRecord:
    try:
        return _read_record(batch)
    except UnicodeDecodeError:
        batch._buffer = bytearray(batch._buffer)
        _make_header_keys_ascii(batch._buffer, batch._pos)
        return _read_record(batch)


def _make_header_keys_ascii(buffer: bytearray, position: int) -> None:
    """Walks one record of the format v2, whose bytes begin at `position`."""
    for _length_attributes_time_offset in range(4):
        _, position = decode_varint(buffer, position)
    for _key_value in range(2):
        size, position = decode_varint(buffer, position)
        position += max(0, size)
    headers, position = decode_varint(buffer, position)
    for _header in range(headers):
        size, position = decode_varint(buffer, position)
        buffer[position : position + size] = bytes(
            byte if byte < 0x80 else ord("?") for byte in buffer[position : position + size]
        )
        position += size
        size, position = decode_varint(buffer, position)
        position += max(0, size)


def close_producer(producer: KafkaProducer, timeout_s: float) -> None:
    """Closes within about twice `timeout_s`; what was not acknowledged by then fails.

    The client's own close gives up before it stops its thread when it cannot flush in time.
    """
    try:
        producer.close(timeout=timeout_s)
    except KafkaError:
        producer._sender.force_close()
        producer._sender.join(timeout_s)
        with contextlib.suppress(KafkaError):
            producer.close(timeout=0)


def add_offsets(
    producer: KafkaProducer,
    offsets: Mapping[TopicPartition, OffsetAndMetadata],
    group: ConsumerGroupMetadata,
    timeout_s: float,
) -> None:
    """To the open transaction; the client's own call waits for ever when the connection dies.

    Raises: KafkaTimeoutError, and what the client's own call raises.
    """
    _bounded(producer, partial(producer._transaction_manager.send_offsets_to_transaction, offsets, group), timeout_s)


def commit_transaction(producer: KafkaProducer, timeout_s: float) -> None:
    """As above. After any error the transaction may have been committed all the same."""
    _bounded(producer, producer._transaction_manager.begin_commit, timeout_s)


def _bounded(producer: KafkaProducer, begin: Callable[[], TransactionalRequestResult], timeout_s: float) -> None:
    result = begin()
    producer._sender.wakeup()
    if not result.wait(timeout_ms=round(timeout_s * 1000)):
        raise KafkaTimeoutError(f"a transactional call took more than {timeout_s:g} s")


class Positions:
    """Where a consumer reads, and how much was deleted before it came by; asks nobody."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._subscription: SubscriptionState = consumer._subscription
        self._out_of_range: dict[TopicPartition, int] = {}
        self._reset = self._subscription.request_offset_reset
        self._subscription.request_offset_reset = self._note_reset

    def known(self) -> dict[int, int]:
        """Per assigned partition the offset of the next record; without those that are still being looked up."""
        return {tp.partition: offset for tp in self._consumer.assignment() if (offset := self._at(tp)) is not None}

    def skipped(self, first_read: Mapping[int, int]) -> int:
        """Offsets jumped over since the last call because retention had deleted them; `first_read` since then."""
        jumped = 0
        for tp, left_at in list(self._out_of_range.items()):
            now_at = first_read.get(tp.partition, self._at(tp))
            if now_at is not None:
                del self._out_of_range[tp]
                jumped += max(0, now_at - left_at)
        return jumped

    def _note_reset(self, tp: TopicPartition, strategy: int | None = None) -> None:
        left_at = self._at(tp)
        if left_at is not None:
            self._out_of_range[tp] = left_at
        self._reset(tp, strategy)

    def _at(self, tp: TopicPartition) -> int | None:
        state = self._subscription.assignment.get(tp)
        return None if state is None or state.position is None else state.position.offset
