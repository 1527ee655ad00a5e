"""Reads for verification: both output topics, and every commit that the group ever made.

The broker keeps commits as records of __consumer_offsets, with their times, until its log is compacted (at 100 MB): so
a commit that went too far is found although later answers have made up for it.
"""

import json
import struct
from collections.abc import Iterable

from kafka.consumer.fetcher import ConsumerRecord

from tests.chaos.verification import Answer, Commit
from tests.support.servers.services import KafkaForTests
from tests.support.site import Site, decode_headers

OFFSETS_TOPIC = "__consumer_offsets"
_COMMIT_KEYS = (0, 1)
_COMMIT_VALUE = 4
_LABEL_AT = 14
"""where a commit says the length of its label, which exactly-once commits carry: one more than its bytes"""


def answers(site: Site, *, isolation_level: str = "read_committed") -> list[Answer]:
    """What a reader with this isolation level gets."""
    verdicts, letters = (
        site.kafka.read_records(topic, isolation_level=isolation_level)
        for topic in (site.verdict_topic, site.dead_letter_topic)
    )
    return [*map(_verdict, verdicts), *map(_letter, letters)]


def commits(kafka: KafkaForTests, group: str, topic: str) -> list[Commit]:
    return committed(kafka.read_records(OFFSETS_TOPIC), group, topic)


def committed(records: Iterable[ConsumerRecord], group: str, topic: str) -> list[Commit]:
    """Those of the records of __consumer_offsets that are this group's commits of this topic, in their order."""
    found = []
    for record in records:
        (version,) = struct.unpack_from(">h", record.key)
        if version in _COMMIT_KEYS and record.value is not None:
            named, at = _text(record.key, 2)
            about, at = _text(record.key, at)
            if (named, about) == (group, topic):
                (partition,) = struct.unpack_from(">i", record.key, at)
                found.append(_commit(partition, record.value))
    return found


def _commit(partition: int, value: bytes) -> Commit:
    version, offset, _leader_epoch = struct.unpack_from(">hqi", value)
    if version != _COMMIT_VALUE or value[_LABEL_AT] >= 128:
        raise ValueError(f"commits in version {version}, or with a long label, are not read: {value!r}")
    (at_ms,) = struct.unpack_from(">q", value, _LABEL_AT + value[_LABEL_AT])
    return Commit(partition, offset, at_ms)


def _text(data: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">h", data, at)
    return data[at + 2 : at + 2 + size].decode(), at + 2 + size


def _verdict(record: ConsumerRecord) -> Answer:
    said = json.loads(record.value)
    return Answer("verdict", (said["record"]["partition"], said["record"]["offset"]), record.timestamp, said)


def _letter(record: ConsumerRecord) -> Answer:
    said = decode_headers(record)
    place = (int(said["zoomin-dlt-partition"]), int(said["zoomin-dlt-offset"]))
    return Answer("dead_letter", place, record.timestamp, said)
