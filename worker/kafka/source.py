"""Kafka in: a consumer in its group, every call to it on one thread."""

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial

from kafka import errors as kafka_errors

from worker.common.settings import KafkaSettings
from worker.kafka.client import check_topics, unreachable
from worker.kafka.confined import ConfinedThread
from worker.kafka.consumer import ASK_TIMEOUT_S, Consumer
from worker.kafka.poll_result import Partitions, Turn


class KafkaSource:
    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._thread = ConfinedThread("kafka-consumer")
        self._consumer: Consumer | None = None
        self._orphaned: Partitions = frozenset()
        self._assignment: Partitions = frozenset()

    async def check(self) -> None:
        """Raises: BadSettings; FatalError when no broker answers; TopicMissing for any of our three topics."""
        await self._thread.run(lambda: check_topics(self._settings))

    async def start(self) -> None:
        """Joins the group with the first poll.

        Raises: what `check` raises.
        """
        await self.check()

        def join() -> None:
            try:
                self._consumer = Consumer(self._settings)
            except kafka_errors.KafkaError as error:
                raise unreachable(self._settings, error) from error

        await self._thread.run(join)

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> Turn:
        """Holds back exactly `paused` and reads at most `max_records`; an outage is an empty turn.

        `committable` is committed for a partition that is taken from us meanwhile. Not to be cancelled: a turn that
        nobody reads is lost.

        Raises: FatalError for a partition or group that cannot be read.
        """
        consumer = await self._present_consumer()
        if consumer is None:
            orphaned, self._orphaned = self._orphaned, frozenset()
            return Turn([], frozenset(), frozenset(), orphaned, frozenset(), {})
        call = partial(consumer.poll, max_records, paused, dict(committable), timeout_s)
        turn = await self._thread.run(call)
        self._assignment = turn.assignment
        return turn

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Of partitions that are still ours. False: not now (rebalance, timeout, fenced), try again after a poll."""
        consumer = self._consumer
        return consumer is not None and await self._thread.run(lambda: consumer.commit(offsets))

    async def committed(self, partitions: Partitions) -> dict[int, int]:
        """The group's committed offsets, once no transaction is pending on them; without those never committed.

        Raises: BrokerUnavailable.
        """
        consumer = self._consumer
        return {} if consumer is None else await self._thread.run(lambda: consumer.committed(partitions))

    async def lag(self) -> dict[int, int]:
        """Records that were not handed out yet, per partition; asked of the broker, empty while it does not answer."""
        consumer = self._consumer
        return {} if consumer is None else await self._thread.run(consumer.lag)

    async def rebuild(self) -> None:
        """Leaves the consumer and its thread behind, even hanging ones; the next poll makes new ones.

        Its next turn says that all partitions are lost.
        """
        self._orphaned |= self._assignment
        self._assignment = frozenset()
        old, self._consumer = self._consumer, None
        if old is not None:
            self._thread.submit(old.close)
        self._thread.end()
        self._thread = ConfinedThread("kafka-consumer")

    async def close(self) -> None:
        """Leaves the group. What is committable must have been committed before."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._thread.run(consumer.close), 2 * ASK_TIMEOUT_S)
        self._thread.end()

    async def _present_consumer(self) -> Consumer | None:
        if self._consumer is None:
            with contextlib.suppress(kafka_errors.KafkaError):
                self._consumer = await self._thread.run(partial(Consumer, self._settings, lost=self._orphaned))
                self._orphaned = frozenset()
        return self._consumer
