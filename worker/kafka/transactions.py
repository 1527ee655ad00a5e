"""Kafka transactions: messages and the offsets they answer become visible together or not at all.

Invariant: a producer whose transaction failed is never used again. The next producer of the same transactional id ends
the unfinished transaction; only then is it known whether that was committed.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from functools import partial

from kafka import ConsumerGroupMetadata, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors

from pipeline.errors import BrokerUnavailable, FatalError
from worker.common.confined import ConfinedThread
from worker.common.sections import KafkaSettings
from worker.kafka.client import connect, read_message_limits, to_ms
from worker.kafka.leader_epochs import NO_EPOCHS, UNKNOWN_EPOCH
from worker.kafka.outgoing import LARGEST_UNCOMPRESSED_BYTES, OutgoingMessage
from worker.kafka.poll_result import Membership
from worker.kafka.workarounds import add_offsets, close_producer, commit_transaction

STEP_TIMEOUT_S = 8.0
"""for each step of a transaction: messages, offsets, commit"""
BLOCK_TIMEOUT_S = 5.0
TRANSACTION_TIMEOUT_S = 15.0
"""longest time for which a worker that died in a transaction blocks the next owner of its partitions"""
CLOSE_TIMEOUT_S = 1.0

_FENCED = (kafka_errors.ProducerFencedError, kafka_errors.InvalidProducerEpochError)


class KafkaTransactions:
    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._id = settings.transactional_id or f"{settings.group_id}-{secrets.token_hex(8)}"
        self._thread = ConfinedThread("kafka-transactions")
        self._producer: KafkaProducer | None = None
        self.limit_bytes: Mapping[str, int] = {}

    async def renew(self) -> None:
        """Start a new producer, which ends the unfinished transaction of an earlier one.

        Raises: BrokerUnavailable; BadSettings.
        """
        await self._thread.run(self._renew)

    async def refresh_limits(self) -> None:
        """Read `limit_bytes` again, because an operator may have raised them; keep them while no broker answers."""
        await self._thread.run(self._refresh_limits)

    async def commit(
        self,
        messages: Sequence[tuple[str, OutgoingMessage]],
        offsets: Mapping[int, int],
        membership: Membership,
        epochs: Mapping[int, int] = NO_EPOCHS,
        label: str = "",
    ) -> bool:
        """Send messages and commit offsets, with the label and the leader epochs that are known, in one transaction.

        Returns False if the group has given our partitions to others; the transaction is then aborted.

        Raises: BrokerUnavailable, after which the outcome is unknown until `renew` has returned; FatalError if another
            process has taken our transactional id, or a topic takes smaller messages than before.
        """
        topic = self._settings.input_topic
        group_offsets = {
            TopicPartition(topic, p): OffsetAndMetadata(offset, label, epochs.get(p, UNKNOWN_EPOCH))
            for p, offset in offsets.items()
        }
        return await self._thread.run(partial(self._commit, messages, group_offsets, membership))

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):  # the stop of the worker does not wait for a hanging transaction
            await asyncio.wait_for(self._thread.run(self._discard), 4 * CLOSE_TIMEOUT_S)
        self._thread.end()

    def _renew(self) -> None:
        self._discard()
        try:
            self._read_limits()
            self._producer = connect(
                KafkaProducer,
                self._settings,
                allow_auto_create_topics=False,
                transactional_id=self._id,
                transaction_timeout_ms=to_ms(TRANSACTION_TIMEOUT_S),
                compression_type="gzip",
                delivery_timeout_ms=to_ms(STEP_TIMEOUT_S),
                request_timeout_ms=to_ms(BLOCK_TIMEOUT_S),
                max_block_ms=to_ms(BLOCK_TIMEOUT_S),
                max_request_size=LARGEST_UNCOMPRESSED_BYTES,  # before compression, unlike the topics' limits
            )
            self._producer.init_transactions()
        except kafka_errors.KafkaError as error:
            raise _build_error(
                f"transactional id {self._id} is not served; it takes the right to write it", error
            ) from error

    def _read_limits(self) -> None:
        topics = (self._settings.verdict_topic, self._settings.dead_letter_topic)
        self.limit_bytes = read_message_limits(self._settings, topics)

    def _refresh_limits(self) -> None:
        with contextlib.suppress(kafka_errors.KafkaError):
            self._read_limits()

    def _commit(
        self,
        messages: Sequence[tuple[str, OutgoingMessage]],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        membership: Membership,
    ) -> bool:
        try:
            self._run_transaction(messages, offsets, membership)
        except kafka_errors.CommitFailedError:
            return False
        except kafka_errors.MessageSizeTooLargeError as error:
            raise FatalError(
                "an output topic takes smaller messages than its max.message.bytes said at our start; start again, "
                f"with the right DESCRIBE_CONFIGS on both output topics: {error}"
            ) from error
        except _FENCED as error:
            if self._settings.transactional_id:
                raise FatalError(
                    f"another worker uses ZOOMIN_KAFKA__TRANSACTIONAL_ID={self._id}, or this one slept through its "
                    "transaction; give each worker an id of its own and start again"
                ) from error
            raise _build_error("the brokers ended the transaction", error) from error
        except kafka_errors.KafkaError as error:
            raise _build_error("a transaction failed", error) from error
        return True

    def _run_transaction(
        self,
        messages: Sequence[tuple[str, OutgoingMessage]],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        membership: Membership,
    ) -> None:
        producer = self._producer
        assert producer is not None, "renew() comes first"
        producer.begin_transaction()
        sent = [
            producer.send(topic, message.value, key=message.key, headers=list(message.headers))
            for topic, message in messages
        ]
        producer.flush(timeout=STEP_TIMEOUT_S)
        for future in sent:
            future.get(timeout=0)  # an expired record makes neither the flush nor the commit fail
        group = ConsumerGroupMetadata(membership.group_id, membership.generation, membership.member_id)
        add_offsets(producer, offsets, group, STEP_TIMEOUT_S)
        commit_transaction(producer, STEP_TIMEOUT_S)

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer, CLOSE_TIMEOUT_S)


def _build_error(what: str, error: BaseException) -> BrokerUnavailable:
    return BrokerUnavailable(f"{what}: {type(error).__name__}: {error}"[:500])
