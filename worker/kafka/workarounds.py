"""Workarounds for bugs of kafka-python 3.0, and access to state that it keeps private.

All of them use private attributes of the pinned 3.0 line. Each has a test against a real broker
(tests/integration/kafka/test_workarounds.py) that shows after an update whether it is still needed and still works.
"""

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from socket import socket

from kafka import KafkaConsumer, KafkaProducer
from kafka.coordinator.base import MemberState
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import FencedInstanceIdError, KafkaError, KafkaTimeoutError, NodeNotReadyError, UnknownBrokerIdError
from kafka.future import Future
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.producer.transaction_manager import TransactionalRequestResult
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

Receive = Callable[[KafkaTCPTransport], tuple[bytes, Exception | None]]

_connect = KafkaNetSocket.sock_connect
_close_network = NetworkSelector.close
_get_connection = KafkaConnectionManager.get_connection
_read_record = DefaultRecordBatch._read_msg
_RECEIVING: dict[type[KafkaTCPTransport], Receive] = {
    transport: transport._sock_recv for transport in (KafkaTCPTransport, KafkaSSLTransport)
}


def release_parked_records(consumer: KafkaConsumer) -> None:
    """Make the fetcher hand out parked records; call this before each poll.

    Without it a partition that was paused and resumed can stay silent for ever. Records fetched for a paused partition
    are parked. The fetcher takes them up only while its current slot is None, but a drained slot is false and not None;
    and parked records are not fetched again.
    """
    fetcher = consumer._fetcher
    if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
        fetcher._next_partition_records = None


def finish_joining(consumer: KafkaConsumer) -> None:
    """Complete an attempt to join the group that ended between two polls; call this before each poll.

    A poll that ends before the group has gathered leaves its attempt running, and the next poll awaits it. If the
    attempt has ended meanwhile, that poll discards it and starts another one, and with it a rebalance for all members,
    again and again while polls are short and rare. A leader that rejoins because of added partitions fares worse: its
    own assignment also removes the reason for rejoining, so no later poll awaits the attempt. Such a member has not
    joined, sends no heartbeats and is expelled without noticing it.
    """
    coordinator = consumer._coordinator
    attempt = coordinator._join_task
    if attempt is None:
        return
    if attempt.succeeded() and coordinator.state is MemberState.REBALANCING:
        consumer._net.run(_complete_joining, coordinator, attempt.value)
    else:
        coordinator.request_rejoin()


async def _complete_joining(coordinator: ConsumerCoordinator, assignment: bytes) -> None:
    """Do what the client itself does with an attempt that ends during a poll."""
    with coordinator._lock:
        coordinator._join_task = None
        coordinator.rejoining = False
        coordinator.rejoin_needed = False
        coordinator.state = MemberState.STABLE
        coordinator._enable_heartbeat()
    joined = coordinator._generation
    await coordinator._on_join_complete_async(joined.generation_id, joined.member_id, joined.protocol, assignment)


def report_displacement(consumer: KafkaConsumer, report: Callable[[], None]) -> None:
    """Call `report` when another process has joined the group under our group instance id.

    The client itself only ends its heartbeats then, and reads on beside the other process.
    """
    coordinator = consumer._coordinator
    send_heartbeat = coordinator._send_heartbeat_request

    async def send_and_report() -> None:
        try:
            await send_heartbeat()
        except FencedInstanceIdError:
            report()
            raise

    coordinator._send_heartbeat_request = send_and_report


def drop_broken_batch(consumer: KafkaConsumer) -> TopicPartition | None:
    """Drop the batch whose iterator raised in a poll; otherwise the next poll reads it in an endless loop.

    Returns its partition; None if the error came from elsewhere.
    """
    fetcher = consumer._fetcher
    broken, fetcher._next_partition_records = fetcher._next_partition_records, None
    return None if broken is None else broken.topic_partition


def clear_stale_responses(consumer: KafkaConsumer) -> None:
    """Forget unread responses with committed offsets at each assignment; an old one would be taken for a new one."""
    consumer._coordinator._offset_fetch_futures.clear()


def accept_invalid_header_keys() -> None:
    """Make the client read header keys that are not UTF-8, with `?` for each byte that is not ASCII.

    Brokers take any bytes as a header's key. The client raises for them and then reads the same batch for ever, so one
    such record would block its partition.
    """
    DefaultRecordBatch._read_msg = _read_tolerantly


def keep_bytes_before_close() -> None:
    """Make the client read what a broker sends before it closes the connection, such as the refusal of a password.

    The client itself discards bytes that arrive together with the end of a connection.
    """
    for transport, receive in _RECEIVING.items():
        transport._sock_recv = _defer_end(receive)


def close_all_sockets() -> None:
    """Make a client close all its sockets.

    The client itself forgets a socket whose connection fails or is cancelled. When it closes, it waits for the others
    in a loop that no longer runs. Both kinds stay open until they are garbage-collected.
    """
    KafkaNetSocket.sock_connect = _connect_or_close
    NetworkSelector.close = _close_with_sockets


def await_unlisted_brokers() -> None:
    """Make a client ask for the brokers again when it knows no address of a partition's leader.

    A broker reads leaders and brokers one after the other for its answer. While a broker joins or leaves, the answer
    may name a leader that its own list lacks. The client's producer then fails at the start of each turn of its
    thread, for ever: it asks for nothing again, and its messages are neither sent nor refused nor expired. Its
    consumer raises an error.
    """
    KafkaConnectionManager.get_connection = _get_listed_connection


async def _connect_or_close(
    maker: KafkaNetSocket, net: NetworkSelector, sock: socket, address: object, timeout_at: float | None = None
) -> socket:
    try:
        await _connect(maker, net, sock, address, timeout_at=timeout_at)
        return sock
    except BaseException:  # also when the attempt is cancelled
        sock.close()
        raise


def _get_listed_connection(manager: KafkaConnectionManager, node_id: object, **options: object) -> Future:
    try:
        return _get_connection(manager, node_id, **options)
    except UnknownBrokerIdError as error:
        manager.cluster.request_update()
        raise NodeNotReadyError(node_id) from error


def _close_with_sockets(network: NetworkSelector) -> None:
    if network._closed:
        return
    network.stop()
    watched = [key.fileobj for key in network._selector.get_map().values()]
    _close_network(network)
    for sock in watched:
        sock.close()


def _defer_end(receive: Receive) -> Receive:
    def receive_first(transport: KafkaTCPTransport) -> tuple[bytes, Exception | None]:
        received, end = receive(transport)
        return received, None if received else end  # the next call returns the end

    return receive_first


def _read_tolerantly(batch: DefaultRecordBatch) -> DefaultRecord:
    try:
        return _read_record(batch)
    except UnicodeDecodeError:
        batch._buffer = bytearray(batch._buffer)
        _make_header_keys_ascii(batch._buffer, batch._pos)
        return _read_record(batch)


def _make_header_keys_ascii(buffer: bytearray, position: int) -> None:
    """Replace in place the bytes of header keys that are not ASCII.

    `position` is the start of one record in format v2: length, attributes, timestamp delta and offset delta, then key,
    value and headers, each with its size before it. Source: Kafka's message format.
    """
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
    """Close within about twice `timeout_s`; messages that are not acknowledged by then fail.

    The client's own close leaves its thread running if it cannot flush in time.
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
    """Add offsets to the open transaction; the client's own call waits for ever if the connection dies.

    Raises: KafkaTimeoutError, and what the client's own call raises.
    """
    _wait_for_result(
        producer, partial(producer._transaction_manager.send_offsets_to_transaction, offsets, group), timeout_s
    )


def commit_transaction(producer: KafkaProducer, timeout_s: float) -> None:
    """Commit the open transaction within `timeout_s`; after an error its outcome is unknown.

    Raises: as `add_offsets`.
    """
    _wait_for_result(producer, producer._transaction_manager.begin_commit, timeout_s)


def _wait_for_result(
    producer: KafkaProducer, begin: Callable[[], TransactionalRequestResult], timeout_s: float
) -> None:
    result = begin()
    producer._sender.wakeup()
    if not result.wait(timeout_ms=round(timeout_s * 1000)):
        raise KafkaTimeoutError(f"a transactional call took more than {timeout_s:g} s")
