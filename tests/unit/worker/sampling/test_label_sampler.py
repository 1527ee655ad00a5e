import asyncio
import json
from collections.abc import Callable
from datetime import date

import structlog
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StoreUnavailable
from pipeline.verdict import RgbImage
from tests.support.builders import build_noise
from tests.support.verdicts import build_verdict
from tests.unit.worker.sampling.test_decision import policy
from worker.observe.telemetry import Metrics
from worker.sampling.label_sampler import PAUSE_AFTER_FAILURE_S, LabelSampler

IMAGE = RgbImage(build_noise(), "png")
EVERYTHING = policy(control_fraction=1.0)
UNHURRIED_S = 60.0
"""a picture is packed on a thread, which a busy machine may keep waiting for longer than a worker would"""


class MemoryBucket:
    def __init__(self, *, fails: Callable[[], bool] = lambda: False) -> None:
        self.written: dict[str, bytes] = {}
        self.tries = 0
        self._fails = fails

    async def put_image(self, key: str, png: bytes) -> None:
        self.tries += 1
        if self._fails():
            raise StoreUnavailable("away")
        self.written[key] = png

    async def put_case(self, key: str, body: bytes) -> None:
        self.written[key] = body


def count(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_the_image_comes_first_and_the_case_points_at_it() -> None:
    bucket, metrics = MemoryBucket(), Metrics()
    verdict = build_verdict(zoomed=[(0, 0, 9, 9)], timestamp_ms=1_764_633_599_999)
    labels = LabelSampler(bucket, EVERYTHING, metrics=metrics, clock=lambda: 0.0, write_timeout_s=UNHURRIED_S)
    await labels.offer(verdict, IMAGE)
    image_key, case_key = bucket.written
    assert image_key == f"images/{verdict.image.sha256}.png"
    assert case_key == f"cases/2025/12/01/{verdict.verdict_id}.json"
    case = json.loads(bucket.written[case_key])
    assert case["image"]["object_key"] == image_key
    assert case["state"] == "pending"
    assert case["verdict_event"]["verdict_id"] == case["case_id"]
    assert count(metrics, "zoomin_label_cases_total", reason="control") == 1


async def test_what_was_not_drawn_is_not_written() -> None:
    bucket = MemoryBucket()
    labels = LabelSampler(bucket, policy(), metrics=Metrics(), clock=lambda: 0.0)
    assert await labels.offer(build_verdict(zoomed=[(0, 0, 9, 9)]), IMAGE) is None
    assert bucket.tries == 0


async def test_a_failing_bucket_is_tried_once_in_ten_seconds_and_the_rest_is_counted() -> None:
    now = 0.0
    bucket, metrics = MemoryBucket(fails=lambda: True), Metrics()
    labels = LabelSampler(bucket, EVERYTHING, metrics=metrics, clock=lambda: now, write_timeout_s=UNHURRIED_S)
    for _ in range(5):
        assert await labels.offer(build_verdict(), IMAGE)
    assert bucket.tries == 1
    now = PAUSE_AFTER_FAILURE_S + 1
    await labels.offer(build_verdict(), IMAGE)
    assert bucket.tries == 2
    assert count(metrics, "zoomin_label_write_failures_total") == 6


async def test_a_bucket_that_hangs_is_left_after_the_deadline() -> None:
    class Hanging(MemoryBucket):
        async def put_image(self, key: str, png: bytes) -> None:
            await asyncio.Event().wait()

    metrics = Metrics()
    labels = LabelSampler(Hanging(), EVERYTHING, metrics=metrics, clock=lambda: 0.0, write_timeout_s=0.01)
    await labels.offer(build_verdict(), IMAGE)
    assert count(metrics, "zoomin_label_write_failures_total") == 1


@given(timestamp_ms=st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0, 1_764_633_600_000_000, 10**18]))
async def test_any_timestamp_names_a_day(timestamp_ms: int) -> None:
    bucket = MemoryBucket()
    labels = LabelSampler(bucket, EVERYTHING, metrics=Metrics(), clock=lambda: 0.0, write_timeout_s=UNHURRIED_S)
    await labels.offer(build_verdict(timestamp_ms=timestamp_ms), IMAGE)
    _, case_key = bucket.written
    _, *day, _ = case_key.split("/")
    assert date(2011, 1, 1) <= date(*map(int, day)) <= date(2026, 1, 1)


async def test_an_error_that_nobody_foresaw_is_counted_and_does_not_leave_the_sampler() -> None:
    class Surprising(MemoryBucket):
        async def put_case(self, key: str, body: bytes) -> None:
            raise MemoryError("while it was encoded")

    metrics = Metrics()
    labels = LabelSampler(Surprising(), EVERYTHING, metrics=metrics, clock=lambda: 0.0, write_timeout_s=UNHURRIED_S)
    with structlog.testing.capture_logs() as lines:
        assert await labels.offer(build_verdict(), IMAGE)
    assert count(metrics, "zoomin_label_write_failures_total") == 1
    assert [(line["event"], line["detail"]) for line in lines] == [
        ("label_write_failed", "MemoryError: while it was encoded")
    ]
