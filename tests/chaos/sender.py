"""Sends the events of a round at an even pace from a thread of its own, whatever happens to the broker."""

import contextlib
import json
import random
import threading
import time
from collections.abc import Sequence
from typing import Self

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata

from tests.chaos.verification import Kind, Sent
from tests.support.builders import build_noise, encode_image
from tests.support.site import Site

PICTURES = 24
BAD_ONE_IN = 20
ODD_TIMESTAMPS_MS = (1_790_000_000_000_000, -5, 1_831_000_000_000_000, 0)
"""the time in microseconds, before 1970, the year 60000, and 1970"""
DELIVERY_TIMEOUT_S = 180
"""longer than any outage: the idempotent client then neither loses nor repeats what it sends"""

Event = tuple[str, bytes, Kind]
"""event id, value, and how it must end"""


def planned(site: Site, count: int, seed: int, *, second_bucket: str | None = None) -> list[Event]:
    """Mostly pictures of the site's buckets, and one in twenty bad."""
    rng = random.Random(seed)
    buckets = (site.bucket, second_bucket or site.bucket)
    urls = [
        site.upload(f"{n}.png", encode_image(build_noise(seed=n), "PNG"), bucket=buckets[n % 2])
        for n in range(PICTURES)
    ]
    broken = site.upload("broken.png", b"no picture")
    bad = (broken, f"s3://{site.bucket}/never-uploaded.png", "s3://elsewhere/x.png")
    events: list[Event] = []
    for number in range(count):
        is_bad = rng.random() < 1 / BAD_ONE_IN
        event_id = f"e-{number:06d}"
        events.append(
            build_event(event_id, rng.choice(bad if is_bad else urls), "dead_letter" if is_bad else "verdict")
        )
    return events


def build_event(event_id: str, url: str, ends_as: Kind) -> Event:
    value = {"schema_version": 1, "id": event_id, "url": url}
    return event_id, json.dumps(value).encode(), ends_as


class Sender:
    """`odd_one_in`: which events have a timestamp that is not the time in milliseconds; 0: none."""

    def __init__(self, site: Site, events: Sequence[Event], *, over_s: float, odd_one_in: int = 0) -> None:
        self._events = events
        self._apart_s = over_s / max(1, len(events))
        self._topic = site.images
        self._partitions = site.partitions
        self._producer = KafkaProducer(
            bootstrap_servers=site.kafka.bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            delivery_timeout_ms=DELIVERY_TIMEOUT_S * 1000,
            request_timeout_ms=5000,
            reconnect_backoff_max_ms=1000,
        )
        self._odd_one_in = odd_one_in
        self._sending: list[FutureRecordMetadata] = []
        self._sent_at_ms: list[int] = []
        self._thread = threading.Thread(target=self._send, name="chaos-sender", daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def sent(self) -> list[Sent]:
        """All of them, once the broker has acknowledged each."""
        self._thread.join()
        acknowledged = [future.get(timeout=DELIVERY_TIMEOUT_S) for future in self._sending]
        return [
            Sent(event_id, (metadata.partition, metadata.offset), at_ms, ends_as)
            for (event_id, _, ends_as), metadata, at_ms in zip(
                self._events, acknowledged, self._sent_at_ms, strict=True
            )
        ]

    def close(self) -> None:
        with contextlib.suppress(KafkaTimeoutError):  # the broker is gone, and the error that ended the round is told
            self._producer.close(timeout=5)

    def _send(self) -> None:
        begin = time.monotonic()
        for number, (event_id, value, _) in enumerate(self._events):
            time.sleep(max(0.0, begin + number * self._apart_s - time.monotonic()))
            where = number % self._partitions
            self._sent_at_ms.append(time.time_ns() // 1_000_000)
            self._sending.append(
                self._producer.send(
                    self._topic, value, key=event_id.encode(), partition=where, timestamp_ms=self._stamp(number)
                )
            )

    def _stamp(self, number: int) -> int | None:
        """Return None for the time of sending."""
        if not self._odd_one_in or number % self._odd_one_in:
            return None
        return ODD_TIMESTAMPS_MS[number // self._odd_one_in % len(ODD_TIMESTAMPS_MS)]
