"""The way of one event from record to outcome, top to bottom."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from pipeline.engine import VisionEngine
from pipeline.errors import FatalError, InternalFault, ZoomInError
from pipeline.wire.entries import Entry, IgnoredEntry, ImageEvent, RefusedEntry, format_index
from pipeline.wire.events import parse_record
from pipeline.wire.messages import JudgedImage, RecordRef, VerdictEvent, build_verdict_event
from pipeline.wire.record import RawRecord
from pipeline.wire.urls import Addressing
from pipeline.zoomin import ZoomableImage, inspect
from worker.event_share import EventShare
from worker.kafka.retrying_publisher import RetryingPublisher
from worker.observe.event_observer import EventObserver
from worker.observe.stopwatch import Stopwatch
from worker.sampling.label_sampler import LabelSampler
from worker.serving.barrier import ModelBarrier, ServedModel
from worker.storage.file_budget import FileBudget
from worker.storage.image_store import FetchedImage
from worker.storage.retrying_store import RetryingStore


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a record: for each entry None for a verdict or the code of its dead letter.

    Entries that are ignored, or left out because this worker judges a share of the events, have none.
    """

    codes: tuple[str | None, ...]


class DecodedImage(ZoomableImage, Protocol):
    @property
    def format(self) -> str: ...

    @property
    def frames(self) -> int: ...

    @property
    def repaired(self) -> bool: ...

    @property
    def frame(self) -> int: ...


class ImageDecoder(Protocol):
    def open_image(self, data: bytes, *, view_max_pixels: int) -> AbstractAsyncContextManager[DecodedImage]: ...


@dataclass(frozen=True, slots=True)
class EventHandler:
    addressing: Addressing
    share: EventShare
    store: RetryingStore
    decoder: ImageDecoder
    file_budget: FileBudget
    judging: asyncio.Semaphore  # events that waited for their bucket come back all at once, beside those in the slots
    engine: VisionEngine
    barrier: ModelBarrier
    worker: str
    publisher: RetryingPublisher
    sampler: LabelSampler | None
    observer: EventObserver

    async def handle(self, record: RawRecord) -> Outcome:
        """Return when every entry of the record in our share is answered and the publisher has accepted the answers.

        Raises: FatalError alone; every other error ends as a dead letter.
        """
        with self.observer.trace_record(record):
            watch = self.observer.start_stopwatch(record)
            entries = self._read_entries(record, watch)
            ignored = [entry for entry in entries if isinstance(entry, IgnoredEntry)]
            if ignored:
                self.observer.report_ignored(record, ignored)
            answerable = [entry for entry in entries if not isinstance(entry, IgnoredEntry)]
            own = [entry for entry in answerable if self.share.holds(entry, record)]
            if len(own) < len(answerable):
                self.observer.report_left_out(record, len(answerable) - len(own))
            return Outcome(tuple([await self._answer_entry(entry, record) for entry in own]))

    def _read_entries(self, record: RawRecord, watch: Stopwatch) -> list[Entry]:
        with watch.time_stage("parse"):
            try:
                return parse_record(record, self.addressing)
            except Exception as error:  # noqa: BLE001 - our bug: one record pays
                return [RefusedEntry(build_fault(error))]

    async def _answer_entry(self, entry: ImageEvent | RefusedEntry, record: RawRecord) -> str | None:
        """Return None for a published verdict, else the code of the dead letter."""
        if isinstance(entry, ImageEvent):
            return await self._answer_event(entry, record)
        entry.error.stage = "parse"
        return await self._publish_dead_letter(record, entry.error, entry)

    async def _answer_event(self, event: ImageEvent, record: RawRecord) -> str | None:
        """Return None for a published verdict, else the code of the dead letter."""
        watch = self.observer.start_stopwatch(record)
        async with AsyncExitStack() as held:  # the file until the event is sampled
            try:
                share = held.enter_context(self.file_budget.open_share())
                with watch.time_stage("fetch"):
                    fetched = await self.store.fetch(event.image, share)
                await held.enter_async_context(self.judging)
                async with self.barrier.enter() as model:
                    verdict = await self._judge_event(event, record, fetched, model, watch)
                with watch.time_stage("publish"):
                    await self._publish_verdict(verdict, record)
            except FatalError:
                raise
            except ZoomInError as error:
                error.stage = error.stage or watch.stage
                return await self._publish_dead_letter(record, error, event)
            except Exception as error:  # noqa: BLE001 - our bug: one event pays, the breaker stops us if it was not one
                fault = build_fault(error)
                fault.stage = watch.stage
                return await self._publish_dead_letter(record, fault, event)
            if self.sampler is not None:
                with watch.time_stage("sample"):
                    await self.sampler.offer(verdict, fetched.data)
        return None

    async def _judge_event(
        self, event: ImageEvent, record: RawRecord, fetched: FetchedImage, model: ServedModel, watch: Stopwatch
    ) -> VerdictEvent:
        """Decode and judge an image by one model, whose pixels are free again at the end."""
        async with AsyncExitStack() as held:
            with watch.time_stage("decode"):
                view_max_pixels = model.checkpoint.card.scan_max_pixels
                opening = self.decoder.open_image(fetched.data, view_max_pixels=view_max_pixels)
                image = await held.enter_async_context(opening)
            inspection = await inspect(image, self.engine, stage=watch.time_stage)
        return build_verdict_event(
            inspection,
            model.checkpoint,
            model=model.ref,
            event_id=event.event_id,
            record=RecordRef(
                topic=record.topic, partition=record.partition, offset=record.offset, timestamp_ms=record.timestamp_ms
            ),
            image=_describe_image(event.image.bucket, fetched, image),
            source=event.source,
            attributes=event.attributes,
            timing_s=watch.read_timing_s(),
            worker=self.worker,
        )

    async def _publish_verdict(self, verdict: VerdictEvent, record: RawRecord) -> None:
        await self.publisher.publish_verdict(
            verdict,
            record,
            traceparent=self.observer.read_traceparent(),
            acknowledged=lambda: self.observer.count_verdict(verdict, record),
        )
        self.observer.log_verdict(verdict, record)

    async def _publish_dead_letter(
        self, record: RawRecord, error: ZoomInError, entry: ImageEvent | RefusedEntry
    ) -> str:
        error.index = format_index(entry.index)
        await self.publisher.publish_dead_letter(
            record,
            error,
            event_id=entry.event_id,
            traceparent=self.observer.read_traceparent(),
            acknowledged=lambda: self.observer.count_dead_letter(error),
        )
        self.observer.log_dead_letter(record, error, entry.event_id)
        return error.code


def build_fault(error: Exception) -> InternalFault:
    fault = InternalFault(f"{type(error).__name__}: {error}")
    fault.__cause__ = error
    return fault


def _describe_image(bucket: str, fetched: FetchedImage, image: DecodedImage) -> JudgedImage:
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
        bytes=fetched.stored_bytes,
        repaired=image.repaired,
        frame=image.frame,
    )
