"""One event from record to outcome, top to bottom."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from pipeline.checkpoint import Checkpoint
from pipeline.engine import VisionEngine
from pipeline.errors import FatalError, InternalFault, PoisonError, ZoomInError
from pipeline.verdict import RgbImage
from pipeline.wire.events import ImageEvent, ImageRef, parse_event
from pipeline.wire.messages import JudgedImage, ModelRef, RecordRef, VerdictEvent, judge
from pipeline.wire.record import RawRecord
from pipeline.wire.urls import Addressing
from pipeline.zoomin import inspect
from worker.common.retry import Retrier
from worker.observe import telemetry
from worker.observe.stopwatch import Stopwatch
from worker.observe.telemetry import Metrics, Tracing
from worker.sampling.labels import Labels
from worker.serving.pixel_budget import PixelBudget
from worker.storage.store import Fetched


class Images(Protocol):
    async def fetch(self, image: ImageRef) -> Fetched: ...


class Decoder(Protocol):
    async def decode(self, data: bytes) -> RgbImage: ...


class Publisher(Protocol):
    """`acknowledged` is called when Kafka has it for good, which may be after the call has returned."""

    async def verdict(
        self, event: VerdictEvent, record: RawRecord, *, traceparent: str | None, acknowledged: Callable[[], None]
    ) -> None: ...

    async def dead_letter(
        self,
        record: RawRecord,
        error: ZoomInError,
        *,
        event_id: str | None,
        traceparent: str | None,
        acknowledged: Callable[[], None],
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a record ended: per image event None for a verdict or the code of its dead letter; empty: ignored."""

    codes: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class EventHandler:
    """`letter_retrier` is endlessly patient: there is nowhere else to put an event that a dead letter cannot hold.

    `decode_turns` has a few turns for the decoders: a decoded image keeps its turn until there is room for it."""

    addressing: Addressing
    store: Images
    decoder: Decoder
    decode_turns: asyncio.Semaphore
    pixels: PixelBudget
    engine: VisionEngine
    publisher: Publisher
    labels: Labels | None
    store_retrier: Callable[[str], Retrier]
    verdict_retrier: Retrier
    letter_retrier: Retrier
    checkpoint: Checkpoint
    model: ModelRef
    worker: str
    metrics: Metrics
    tracing: Tracing
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time

    async def handle(self, record: RawRecord) -> Outcome:
        """Returns when every image event of the record is answered, and the publisher has taken charge of the answers.

        Raises: FatalError alone; whatever else goes wrong ends as a dead letter.
        """
        with self.tracing.process(record):
            watch = Stopwatch(self.metrics, self.tracing, self.clock)
            try:
                with watch.stage("parse"):
                    events = parse_event(record, self.addressing)
            except PoisonError as error:
                return Outcome((await self._dead_letter(record, error, None),))
            if not events:
                self.metrics.events.labels("ignored").inc()
                telemetry.logger().debug(telemetry.RECORD_IGNORED, partition=record.partition, offset=record.offset)
            return Outcome(tuple([await self._answer(event, record) for event in events]))

    async def _answer(self, event: ImageEvent, record: RawRecord) -> str | None:
        watch = Stopwatch(self.metrics, self.tracing, self.clock)
        async with AsyncExitStack() as held:
            try:
                verdict, image = await self._judge(event, record, watch, held)
                with watch.stage("publish"):
                    await self._publish(verdict, record)
            except FatalError:
                raise
            except ZoomInError as error:
                return await self._dead_letter(record, error, event.event_id)
            except Exception as error:  # noqa: BLE001 - our bug: one event pays, the breaker stops us if it was not one
                fault = InternalFault(f"{type(error).__name__}: {error}")
                fault.__cause__ = error
                return await self._dead_letter(record, fault, event.event_id)
            await self._sample(verdict, image, watch)
        return None

    async def _judge(
        self, event: ImageEvent, record: RawRecord, watch: Stopwatch, held: AsyncExitStack
    ) -> tuple[VerdictEvent, RgbImage]:
        queued_s = max(0.0, self.now() - record.timestamp_ms / 1000)
        began = self.clock()
        with watch.stage("fetch"):
            fetched = await self.store_retrier(event.image.bucket).call(lambda: self.store.fetch(event.image))
        with watch.stage("decode"):
            image = await self._decode(fetched.data, held)
        inspection = await inspect(image, self.engine, stage=watch.stage)
        timing_s = {"queued": queued_s, **watch.seconds, "total": queued_s + self.clock() - began}
        verdict = judge(
            inspection,
            self.checkpoint,
            model=self.model,
            event_id=event.event_id,
            record=RecordRef(
                topic=record.topic, partition=record.partition, offset=record.offset, timestamp_ms=record.timestamp_ms
            ),
            image=judged_image(event.image.bucket, fetched, image),
            source=event.source,
            attributes=event.attributes,
            timing_s=timing_s,
            worker=self.worker,
        )
        return verdict, image

    async def _decode(self, data: bytes, held: AsyncExitStack) -> RgbImage:
        async with self.decode_turns:
            image = await self.decoder.decode(data)
            width, height = image.size_px
            await held.enter_async_context(self.pixels.hold(width * height))
        return image

    async def _publish(self, verdict: VerdictEvent, record: RawRecord) -> None:
        traceparent = self.tracing.traceparent()

        def acknowledged() -> None:
            self.metrics.events.labels("verdict").inc()
            self.metrics.event_seconds.observe(max(0.0, self.now() - record.timestamp_ms / 1000))
            self.metrics.verdicts.labels(
                verdict.verdict, verdict.status, _flag(verdict.corrected), _flag(verdict.uncertain)
            ).inc()

        await self.verdict_retrier.call(
            lambda: self.publisher.verdict(verdict, record, traceparent=traceparent, acknowledged=acknowledged)
        )
        telemetry.logger().info(
            telemetry.EVENT_JUDGED,
            event_id=verdict.event_id,
            verdict_id=verdict.verdict_id,
            partition=record.partition,
            offset=record.offset,
            verdict=verdict.verdict.value,
            status=verdict.status.value,
            corrected=verdict.corrected,
            confidence=round(verdict.confidence, 4),
            regions=len(verdict.scan.regions),
            seconds=verdict.timing_s,
            revision=self.checkpoint.revision,
        )

    async def _sample(self, verdict: VerdictEvent, image: RgbImage, watch: Stopwatch) -> None:
        if self.labels is not None:
            with watch.stage("sample"):
                await self.labels.offer(verdict, image)

    async def _dead_letter(self, record: RawRecord, error: ZoomInError, event_id: str | None) -> str:
        traceparent = self.tracing.traceparent()

        def acknowledged() -> None:
            self.metrics.events.labels("dead_letter").inc()
            self.metrics.dead_letters.labels(error.code).inc()

        await self.letter_retrier.call(
            lambda: self.publisher.dead_letter(
                record, error, event_id=event_id, traceparent=traceparent, acknowledged=acknowledged
            )
        )
        telemetry.logger().warning(
            telemetry.EVENT_DEAD_LETTERED,
            event_id=event_id,
            partition=record.partition,
            offset=record.offset,
            code=error.code,
            stage=error.stage,
            attempts=error.attempts,
            detail=error.detail,
            exc_info=error.__cause__ if isinstance(error, InternalFault) else None,
        )
        return error.code


def judged_image(bucket: str, fetched: Fetched, image: RgbImage) -> JudgedImage:
    width, height = image.size_px
    return JudgedImage(
        bucket=bucket,
        key=fetched.key,
        etag=fetched.etag,
        version_id=fetched.version_id,
        sha256=fetched.sha256,
        width_px=width,
        height_px=height,
        format=image.format,
        frames=image.frames,
        bytes=len(fetched.data),
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"
