"""Stores the objects of the corpus and sends its records, and keeps of each the check of its answers."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image

from pipeline import images
from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import RgbImage
from tests.hostile.checks import Check, Place, Sent, check_answer, check_event, check_image
from tests.hostile.entries import HostileAnswer, HostileEvent, HostileImage
from tests.hostile.twins import STORED, twin_events
from tests.hostile.wire import NOTHING, Headers, producer, written
from tests.support.builders import build_noise
from tests.support.site import Site

SIDE_PX = 56
FINE_SCAN = "<verdict>generated</verdict><boxes></boxes><explanation>fine</explanation>"
FINE_CHECK = "<verdict>generated</verdict><explanation>fine</explanation>"

Send = Callable[[], None]


class Post:
    """Each method stores what an entry needs and returns what sends its record. `script` is for the engine."""

    def __init__(self, site: Site, card: CheckpointCard) -> None:
        self.sent: dict[Place, Sent] = {}
        self.script: dict[str, dict[str, dict[str, object]]] = {}
        self._site = site
        self._card = card
        self._producer = producer(site.kafka.bootstrap_servers)

    def close(self) -> None:
        self._producer.close(timeout=5)

    def image(self, entry: HostileImage, *, ended_by: str = "") -> Send:
        url = self._site.upload(f"image {entry.name}", entry.content)
        check = check_image(entry, self._card, ended_by=ended_by or ("took longer" if entry.slow else ""))
        return partial(self._send, "images", entry.name, entry.reason, url.encode(), check)

    def events(self, entries: Sequence[HostileEvent]) -> Iterator[Send]:
        picture = images.encode_png(build_noise())
        expected = (item for entry in entries if isinstance(entry.expected, tuple) for item in entry.expected)
        named = {item[1] for item in expected if not isinstance(item, str)}
        stored = {key for key in sorted(named) if self._stores(key, picture)}
        for entry in entries:
            yield self._event(entry, check_event(entry, stored))

    def twins(self) -> Iterator[Send]:
        pictures = {key: images.encode_png(build_noise(seed=number)) for number, key in enumerate(STORED)}
        for key, picture in pictures.items():
            self._site.upload(key, picture)
        etags = {key: self._etag(key) for key in STORED}
        for entry in twin_events(self._site.bucket, etags):
            yield self._event(entry, check_event(entry, set(STORED)))

    def answer(self, number: int, entry: HostileAnswer) -> Send:
        """Its picture is of a color of its own, by which the engine knows what to say."""
        pixels = Image.new("RGB", (SIDE_PX, SIDE_PX), (number % 256, number // 256, 77))
        seen = images.build_view(RgbImage(pixels, "png"), self._card.scan_max_pixels).sha256
        said: dict[str, dict[str, object]] = {"scan": {"text": FINE_SCAN}, "check": {"text": FINE_CHECK}}
        self.script[seen] = said | {entry.query: {"text": entry.text, "truncated": entry.truncated}}
        url = self._site.upload(f"answer-{number}.png", images.encode_png(pixels))
        return partial(self._send, "answers", entry.name, entry.reason, url.encode(), check_answer(entry))

    def _event(self, entry: HostileEvent, check: Check) -> Send:
        send = partial(self._send, "events", entry.name, entry.reason, entry.value, check)
        return partial(send, key=entry.key, headers=entry.headers)

    def _send(
        self,
        kind: str,
        name: str,
        reason: str,
        value: bytes | None,
        check: Check,
        key: bytes | None = None,
        headers: Headers = (),
    ) -> None:
        body = NOTHING if value is None else value
        # In turn over the partitions: one slow image may hold back no more than its own.
        place = {"partition": len(self.sent) % self._site.partitions}
        future = self._producer.send(self._site.images, body, key=key, headers=written(headers), **place)
        at = future.get(timeout=30)
        self.sent[at.partition, at.offset] = Sent(kind, name, reason, key, value, check)

    def _stores(self, key: str, picture: bytes) -> bool:
        """Whether S3 takes an object of this name; where it does not, nobody can have uploaded one."""
        try:
            self._site.upload(key, picture)
            self._etag(key)
        except (ClientError, BotoCoreError):
            return False
        return True

    def _etag(self, key: str) -> str:
        found = self._site.s3.client.head_object(Bucket=self._site.bucket, Key=key)
        return found["ETag"].strip('"')
