"""Sampler of cases for labeling; it never delays a verdict for long.

While the bucket fails, one case in ten seconds is tried and the others are counted and dropped.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from pipeline import images
from pipeline.errors import ZoomInError
from pipeline.verdict import RgbImage
from pipeline.wire.messages import LabelCase, LabelImage, VerdictEvent
from worker.observe import telemetry
from worker.observe.telemetry import Metrics
from worker.sampling.decision import Sample, SamplingPolicy, decide

WRITE_TIMEOUT_S = 2.0
PAUSE_AFTER_FAILURE_S = 10.0


class CaseBucket(Protocol):
    async def put_image(self, key: str, png: bytes) -> None: ...
    async def put_case(self, key: str, body: bytes) -> None: ...


class LabelSampler:
    def __init__(
        self,
        bucket: CaseBucket,
        policy: SamplingPolicy,
        *,
        metrics: Metrics,
        clock: Callable[[], float],
        write_timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        self._write_timeout_s = write_timeout_s
        self._bucket = bucket
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._closed_until = -float("inf")

    async def offer(self, verdict: VerdictEvent, image: RgbImage) -> Sample | None:
        """Draw a sample and write its case; return the sample even if it could not be written."""
        sample = decide(verdict, self._policy)
        if sample is None:
            return None
        if self._clock() < self._closed_until:
            self._metrics.label_failures.inc()
            return sample
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._write(verdict, image, sample)
        except (TimeoutError, ZoomInError) as error:
            self._closed_until = self._clock() + PAUSE_AFTER_FAILURE_S
            self._metrics.label_failures.inc()
            detail = str(error) or f"not written within {self._write_timeout_s:g} s"
            telemetry.get_logger().warning(telemetry.LABEL_WRITE_FAILED, detail=detail, verdict_id=verdict.verdict_id)
            return sample
        for reason in sample.reasons:
            self._metrics.label_cases.labels(reason).inc()
        return sample

    async def _write(self, verdict: VerdictEvent, image: RgbImage, sample: Sample) -> None:
        png = await asyncio.to_thread(images.encode_png, image.pixels)
        image_key = f"images/{verdict.image.sha256}.png"
        await self._bucket.put_image(image_key, png)
        case = _build_case(verdict, image_key, sample)
        day = datetime.fromtimestamp(verdict.record.timestamp_ms / 1000, UTC)
        await self._bucket.put_case(f"cases/{day:%Y/%m/%d}/{case.case_id}.json", case.model_dump_json().encode())


def _build_case(verdict: VerdictEvent, image_key: str, sample: Sample) -> LabelCase:
    image_fields = verdict.image.model_dump(include=set(LabelImage.model_fields))
    return LabelCase(
        case_id=verdict.verdict_id,
        event_id=verdict.event_id,
        image=LabelImage(object_key=image_key, **image_fields),
        reasons=list(sample.reasons),
        inclusion_probability=sample.inclusion_probability,
        blind=sample.blind,
        verdict_event=verdict,
        created_at=datetime.now(UTC),
    )
