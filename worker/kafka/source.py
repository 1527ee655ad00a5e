"""Source of records: a consumer of the group, whose calls all run on one thread."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from functools import partial

from kafka import errors as kafka_errors

from worker.common.confined import ConfinedThread
from worker.common.sections import KafkaSettings
from worker.kafka.client import TopicUse, build_connection_error, check_topics
from worker.kafka.consumer import ASK_TIMEOUT_S, Consumer
from worker.kafka.poll_result import GroupOffset, Partitions, PollResult


class KafkaSource:
    """Reads the input topic of its settings as a member of their group.

    `topics` names what has to exist before the start; without it, the three topics of the worker.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[TopicUse] = ()) -> None:
        self._settings = settings
        self._topics = topics
        self._thread = ConfinedThread("kafka-consumer")
        self._consumer: Consumer | None = None
        self._orphaned: Partitions = frozenset()
        self._assignment: Partitions = frozenset()

    async def check(self) -> None:
        """Check that our topics can be reached.

        Raises: BadSettings; FatalError if no broker answers; TopicMissing.
        """
        await self._thread.run(lambda: check_topics(self._settings, self._topics))

    async def start(self) -> None:
        """Create the consumer; it joins the group with the first poll. Raises: what `check` raises."""
        await self.check()

        def join() -> None:
            try:
                self._consumer = Consumer(self._settings)
            except kafka_errors.KafkaError as error:
                raise build_connection_error(self._settings, error) from error

        await self._thread.run(join)

    async def poll(
        self, *, max_records: int, paused: Partitions, committable: Mapping[int, int], timeout_s: float
    ) -> PollResult:
        """Pause exactly `paused` and read at most `max_records`; during an outage the result is empty.

        A partition that is revoked during the poll is committed at its offset in `committable`. Do not cancel this
        call: a result that is not read is lost.

        Raises: FatalError for a partition or group that cannot be read.
        """
        consumer = await self._get_consumer()
        if consumer is None:
            orphaned, self._orphaned = self._orphaned, frozenset()
            return PollResult([], frozenset(), frozenset(), orphaned, frozenset(), {})
        call = partial(consumer.poll, max_records, paused, dict(committable), timeout_s)
        poll_result = await self._thread.run(call)
        self._assignment = poll_result.assignment
        return poll_result

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Commit the offsets of partitions that we still own.

        Returns False after a rebalance, a timeout or fencing; the caller tries again after a poll.
        """
        consumer = self._consumer
        return consumer is not None and await self._thread.run(lambda: consumer.commit(offsets))

    async def fetch_committed(self, partitions: Partitions) -> dict[int, GroupOffset]:
        """Fetch the group's committed offsets when no transaction is pending on them; uncommitted ones are missing.

        Raises: BrokerUnavailable.
        """
        consumer = self._consumer
        return {} if consumer is None else await self._thread.run(lambda: consumer.fetch_committed(partitions))

    def find_epochs(self, offsets: Mapping[int, int]) -> dict[int, int]:
        """Return the leader epoch of the last record before each offset; sends no request."""
        consumer = self._consumer
        return {} if consumer is None else {p: consumer.find_epoch(p, offset) for p, offset in offsets.items()}

    async def measure_lag(self) -> dict[int, int]:
        """Ask the broker for the number of unread records per partition; empty if it does not answer."""
        consumer = self._consumer
        return {} if consumer is None else await self._thread.run(consumer.measure_lag)

    async def rebuild(self) -> None:
        """Abandon the consumer and its thread, even hanging ones; the next poll creates new ones.

        The result of that poll names all partitions as lost.
        """
        self._orphaned |= self._assignment
        self._assignment = frozenset()
        old, self._consumer = self._consumer, None
        if old is not None:
            self._thread.submit(old.close)
        self._thread.end()
        self._thread = ConfinedThread("kafka-consumer")

    async def close(self) -> None:
        """Leave the group; the caller has committed before."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._thread.run(consumer.close), 2 * ASK_TIMEOUT_S)
        self._thread.end()

    async def _get_consumer(self) -> Consumer | None:
        if self._consumer is None:
            with contextlib.suppress(kafka_errors.KafkaError):
                self._consumer = await self._thread.run(partial(Consumer, self._settings, lost=self._orphaned))
                self._orphaned = frozenset()
        return self._consumer
