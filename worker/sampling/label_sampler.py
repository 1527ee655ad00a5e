"""Sampler of cases for labeling; it never delays a verdict for long.

While the bucket fails, one case in ten seconds is tried and the others are counted and dropped. An image that cannot be
encoded, or not now, costs its own case alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from pipeline.errors import ZoomInError
from pipeline.geometry import Size
from pipeline.wire.labels import build_image_key, build_tombstone_key
from pipeline.wire.messages import VerdictEvent
from worker.observe import telemetry
from worker.observe.telemetry import Metrics
from worker.sampling.case_draws import CaseDraws
from worker.sampling.decision import Sample, SamplingPolicy
from worker.sampling.label_case import build_case, name_case

WRITE_TIMEOUT_S = 2.0
WRITE_BYTES_PER_S = 10_000_000
"""a slower bucket is a sick one"""
PAUSE_AFTER_FAILURE_S = 10.0
MOST_ENCODINGS = 4
"""cases that are with the encoders; each holds the slot of its event, for seconds if its image is large"""
ENCODER_WAIT_S = 2.0
"""how long a case waits for its turn there, which holds its slot too"""


class EncodersBusy(Exception):
    """More cases were drawn than the encoders have time for."""


class PngEncoder(Protocol):
    async def encode_png(self, data: bytes, size_px: Size) -> bytes: ...


class CaseBucket(Protocol):
    async def has_object(self, key: str) -> bool: ...
    async def put_image(self, key: str, png: bytes) -> None: ...
    async def put_case(self, key: str, body: bytes) -> None: ...
    async def delete(self, keys: Sequence[str]) -> None: ...


class LabelSampler:
    def __init__(
        self,
        bucket: CaseBucket,
        encoder: PngEncoder,
        policy: SamplingPolicy,
        *,
        metrics: Metrics,
        clock: Callable[[], float],
        write_timeout_s: float = WRITE_TIMEOUT_S,
        encoder_wait_s: float = ENCODER_WAIT_S,
    ) -> None:
        self._encoder_wait_s = encoder_wait_s
        self._write_timeout_s = write_timeout_s
        self._bucket = bucket
        self._encoder = encoder
        self._draws = CaseDraws(policy, metrics)
        self._metrics = metrics
        self._clock = clock
        self._closed_until = -float("inf")
        self._encodings = asyncio.Semaphore(MOST_ENCODINGS)

    async def offer(self, verdict: VerdictEvent, file: bytes) -> Sample | None:
        """Draw a sample and write its case; return the sample even if it could not be written.

        It never raises: the verdict is published, so an error may neither end the worker nor repeat it.
        """
        sample = None
        try:
            sample = self._draws.draw(verdict)
            if sample is not None:
                await self._offer(verdict, file, sample)
        except Exception as error:  # noqa: BLE001 - any error of ours is counted as a failure of its label
            foreseen = isinstance(error, ZoomInError | EncodersBusy)
            self._count_failure(verdict, f"{type(error).__name__}: {error}", None if foreseen else error)
        return sample

    async def _offer(self, verdict: VerdictEvent, file: bytes, sample: Sample) -> None:
        if self._clock() < self._closed_until:
            self._metrics.label_failures.inc()
            return
        png = await self._encode(verdict, file)
        timeout_s = self._write_timeout_s + len(png) / WRITE_BYTES_PER_S
        try:
            async with asyncio.timeout(timeout_s):
                written = await self._write(verdict, png, sample)
        except (TimeoutError, ZoomInError) as error:
            self._closed_until = self._clock() + PAUSE_AFTER_FAILURE_S
            self._count_failure(verdict, str(error) or f"not written within {timeout_s:g} s")
            return
        if not written:
            self._metrics.cases_withheld.labels("deleted").inc()
            return
        for reason in sample.reasons:
            self._metrics.label_cases.labels(reason).inc()

    def _count_failure(self, verdict: VerdictEvent, detail: str, fault: Exception | None = None) -> None:
        self._metrics.label_failures.inc()
        with suppress(Exception):  # the log itself may be what fails
            telemetry.get_logger().warning(
                telemetry.LABEL_WRITE_FAILED, detail=detail, verdict_id=verdict.verdict_id, exc_info=fault
            )

    async def _encode(self, verdict: VerdictEvent, file: bytes) -> bytes:
        """Encode the pixels of the file. Raises: EncodersBusy; DECODING_ERRORS, at the encoder's deadline too."""
        try:
            async with asyncio.timeout(self._encoder_wait_s):
                await self._encodings.acquire()
        except TimeoutError as error:
            raise EncodersBusy from error
        try:
            return await self._encoder.encode_png(file, (verdict.image.width_px, verdict.image.height_px))
        finally:
            self._encodings.release()

    async def _write(self, verdict: VerdictEvent, png: bytes, sample: Sample) -> bool:
        """Write the image and its case; return False, and leave nothing, if the image has to stay deleted."""
        tombstone = build_tombstone_key(verdict.image.sha256)
        image_key, case_key = build_image_key(verdict.image.sha256), name_case(verdict)
        if await self._bucket.has_object(tombstone):
            return False
        await self._bucket.put_image(image_key, png)
        await self._bucket.put_case(case_key, build_case(verdict, sample).model_dump_json().encode())
        if await self._bucket.has_object(tombstone):  # an erasure that ran meanwhile may not have seen them
            await self._bucket.delete([image_key, case_key])
            return False
        return True
