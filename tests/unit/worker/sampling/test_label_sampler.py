import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Sequence

import pytest
import structlog

from pipeline.errors import AccessDenied, ImageUndecodable, StoreUnavailable
from pipeline.wire.labels import build_tombstone_key
from tests.support.verdicts import build_verdict
from tests.unit.worker.sampling.test_decision import policy
from worker.observe.telemetry import Metrics
from worker.sampling.label_sampler import MOST_ENCODINGS, PAUSE_AFTER_FAILURE_S, WRITE_BYTES_PER_S, LabelSampler

FILE = b"the file of the event"
PNG = b"the pixels of it"
EVERYTHING = policy(control_fraction=1.0)
UNHURRIED_S = 60.0
UNHURRIED_S_IN_BYTES = 10 * WRITE_BYTES_PER_S


class Encoder:
    """Encodes what it has a PNG for; `before` runs ahead, to wait or to raise."""

    def __init__(self, png: bytes = PNG, *, before: Callable[[], Awaitable[None]] | None = None) -> None:
        self.encoded: list[tuple[bytes, tuple[int, int]]] = []
        self._png = png
        self._before = before

    async def encode_png(self, data: bytes, size_px: tuple[int, int]) -> bytes:
        self.encoded.append((data, size_px))
        if self._before is not None:
            await self._before()
        return self._png


def build_sampler(
    bucket: "MemoryBucket",
    *,
    encoder: Encoder | None = None,
    metrics: Metrics | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    write_timeout_s: float = UNHURRIED_S,
    encoder_wait_s: float = UNHURRIED_S,
) -> LabelSampler:
    return LabelSampler(
        bucket,
        encoder or Encoder(),
        EVERYTHING,
        metrics=metrics or Metrics(),
        clock=clock,
        write_timeout_s=write_timeout_s,
        encoder_wait_s=encoder_wait_s,
    )


class MemoryBucket:
    def __init__(self, *, fails: Callable[[], bool] = lambda: False) -> None:
        self.written: dict[str, bytes] = {}
        self.tries = 0
        self._fails = fails

    async def has_object(self, key: str) -> bool:
        return key in self.written

    async def put_image(self, key: str, png: bytes) -> None:
        self.tries += 1
        if self._fails():
            raise StoreUnavailable("away")
        self.written[key] = png

    async def put_case(self, key: str, body: bytes) -> None:
        self.written[key] = body

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.written.pop(key, None)


def count(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_the_image_comes_first_and_the_case_points_at_it() -> None:
    bucket, metrics = MemoryBucket(), Metrics()
    verdict = build_verdict(zoomed=[(0, 0, 9, 9)], timestamp_ms=1_764_633_599_999)
    labels = build_sampler(bucket, metrics=metrics)
    await labels.offer(verdict, FILE)
    image_key, case_key = bucket.written
    assert bucket.written[image_key] == PNG
    assert image_key == f"images/{verdict.image.sha256}.png"
    assert case_key == f"cases/2025/12/01/{verdict.verdict_id}.json"
    case = json.loads(bucket.written[case_key])
    assert case["image"]["object_key"] == image_key
    assert case["state"] == "pending"
    assert case["verdict_event"]["verdict_id"] == case["case_id"]
    assert count(metrics, "zoomin_label_cases_total", reason="control") == 1


async def test_what_was_not_drawn_is_not_written() -> None:
    bucket = MemoryBucket()
    labels = LabelSampler(bucket, Encoder(), policy(), metrics=Metrics(), clock=lambda: 0.0)
    assert await labels.offer(build_verdict(zoomed=[(0, 0, 9, 9)]), FILE) is None
    assert bucket.tries == 0


async def test_a_failing_bucket_is_tried_once_in_ten_seconds_and_the_rest_is_counted() -> None:
    now = 0.0
    bucket, metrics = MemoryBucket(fails=lambda: True), Metrics()
    labels = build_sampler(bucket, metrics=metrics, clock=lambda: now)
    for _ in range(5):
        assert await labels.offer(build_verdict(), FILE)
    assert bucket.tries == 1
    now = PAUSE_AFTER_FAILURE_S + 1
    await labels.offer(build_verdict(), FILE)
    assert bucket.tries == 2
    assert count(metrics, "zoomin_label_write_failures_total") == 6


async def test_a_bucket_that_hangs_is_left_after_the_deadline() -> None:
    class Hanging(MemoryBucket):
        async def put_image(self, key: str, png: bytes) -> None:
            await asyncio.Event().wait()

    metrics = Metrics()
    labels = build_sampler(Hanging(), metrics=metrics, clock=lambda: 0.0, write_timeout_s=0.01)
    await labels.offer(build_verdict(), FILE)
    assert count(metrics, "zoomin_label_write_failures_total") == 1


async def test_an_error_that_nobody_foresaw_is_counted_and_does_not_leave_the_sampler() -> None:
    class Surprising(MemoryBucket):
        async def put_case(self, key: str, body: bytes) -> None:
            raise MemoryError("while it was encoded")

    metrics = Metrics()
    labels = build_sampler(Surprising(), metrics=metrics)
    with structlog.testing.capture_logs() as lines:
        assert await labels.offer(build_verdict(), FILE)
    assert count(metrics, "zoomin_label_write_failures_total") == 1
    assert [(line["event"], line["detail"]) for line in lines] == [
        ("label_write_failed", "MemoryError: while it was encoded")
    ]


async def test_an_image_that_cannot_be_encoded_in_time_closes_the_bucket_for_nobody() -> None:
    async def fail() -> None:
        raise ImageUndecodable("decoding took longer than 45 s")

    bucket, metrics = MemoryBucket(), Metrics()
    failing = Encoder(before=fail)
    labels = build_sampler(bucket, encoder=failing, metrics=metrics)
    await labels.offer(build_verdict(size=(8000, 6000)), FILE)
    assert failing.encoded == [(FILE, (8000, 6000))]
    assert count(metrics, "zoomin_label_write_failures_total") == 1
    failing._before = None
    await labels.offer(build_verdict(), FILE)
    assert len(bucket.written) == 2


@pytest.mark.parametrize(("wait_s", "let_go"), [(0.0, 3), (UNHURRIED_S, 0)])
async def test_more_cases_than_can_be_encoded_wait_for_a_while_and_are_let_go(wait_s: float, let_go: int) -> None:
    leave = asyncio.Event()

    async def wait() -> None:
        await leave.wait()

    bucket, metrics = MemoryBucket(), Metrics()
    labels = build_sampler(bucket, encoder=Encoder(before=wait), metrics=metrics, encoder_wait_s=wait_s)
    verdicts = [
        build_verdict(event_id=f"event-{number}", sha256=f"{number:064x}") for number in range(MOST_ENCODINGS + 3)
    ]
    offers = [asyncio.create_task(labels.offer(verdict, FILE)) for verdict in verdicts]
    if let_go:
        await asyncio.wait(offers[MOST_ENCODINGS:])
    leave.set()
    await asyncio.gather(*offers)
    assert count(metrics, "zoomin_label_write_failures_total") == let_go
    assert len([key for key in bucket.written if key.startswith("cases/")]) == len(verdicts) - let_go


async def test_an_image_that_is_deleted_while_it_is_written_leaves_nothing() -> None:
    class Racing(MemoryBucket):
        async def put_case(self, key: str, body: bytes) -> None:
            await super().put_case(key, body)
            self.written[tombstone] = b"{}"

    verdict, metrics = build_verdict(), Metrics()
    tombstone, bucket = build_tombstone_key(verdict.image.sha256), Racing()
    assert await build_sampler(bucket, metrics=metrics).offer(verdict, FILE)
    assert list(bucket.written) == [tombstone]
    assert count(metrics, "zoomin_label_cases_withheld_total", cause="deleted") == 1
    assert count(metrics, "zoomin_label_cases_total", reason="control") == 0


async def test_a_deleted_image_is_not_written_again() -> None:
    bucket, metrics = MemoryBucket(), Metrics()
    labels = build_sampler(bucket, metrics=metrics)
    deleted, other = build_verdict(sha256="1" * 64), build_verdict(event_id="other", sha256="2" * 64)
    bucket.written[build_tombstone_key(deleted.image.sha256)] = b"{}"
    await labels.offer(deleted, FILE)
    assert list(bucket.written) == [build_tombstone_key(deleted.image.sha256)]
    assert count(metrics, "zoomin_label_cases_withheld_total", cause="deleted") == 1
    assert count(metrics, "zoomin_label_write_failures_total") == 0
    await labels.offer(other, FILE)
    assert len(bucket.written) == 3


async def test_nothing_is_written_where_tombstones_cannot_be_read() -> None:
    class WriteOnly(MemoryBucket):
        async def has_object(self, key: str) -> bool:
            raise AccessDenied("S3 answers 403")

    bucket, metrics = WriteOnly(), Metrics()
    await build_sampler(bucket, metrics=metrics).offer(build_verdict(), FILE)
    assert bucket.written == {}
    assert count(metrics, "zoomin_label_write_failures_total") == 1


async def test_a_redelivery_writes_the_case_that_a_failure_left_out() -> None:
    down = True
    bucket = MemoryBucket(fails=lambda: down)
    labels = build_sampler(bucket, clock=itertools.count(0, 60).__next__)
    await labels.offer(build_verdict(), FILE)
    down = False
    await labels.offer(build_verdict(), FILE)
    assert len(bucket.written) == 2


async def test_a_large_image_has_more_time_to_be_written() -> None:
    class Slow(MemoryBucket):
        async def put_image(self, key: str, png: bytes) -> None:
            await asyncio.sleep(0.05)
            await super().put_image(key, png)

    bucket, metrics = Slow(), Metrics()
    large = Encoder(bytes(UNHURRIED_S_IN_BYTES))
    await build_sampler(bucket, encoder=large, metrics=metrics, write_timeout_s=0.0).offer(build_verdict(), FILE)
    assert count(metrics, "zoomin_label_write_failures_total") == 0
    await build_sampler(bucket, metrics=metrics, write_timeout_s=0.0).offer(build_verdict(), FILE)
    assert count(metrics, "zoomin_label_write_failures_total") == 1
