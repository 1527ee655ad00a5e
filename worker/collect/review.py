"""The way of one review from its record to a label in the labeling bucket, top to bottom."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from pipeline.errors import MalformedEvent
from pipeline.geometry import Size
from pipeline.wire.entries import ImageRef
from pipeline.wire.labels import LabelEvent, LabelOrigin, SampleReason, build_label_id
from pipeline.wire.messages import Box, VerdictEvent
from pipeline.wire.record import RawRecord
from pipeline.wire.reviews import ReviewEvent, parse_review
from pipeline.wire.urls import Addressing
from worker.collect.label_store import LabelStore
from worker.collect.verdict_finder import VerdictFinder
from worker.observe import telemetry
from worker.observe.event_observer import EventObserver
from worker.observe.stopwatch import Stopwatch
from worker.sampling.decision import Sample
from worker.sampling.label_case import build_case, name_case
from worker.storage.file_budget import FileBudget
from worker.storage.retrying_store import RetryingStore

REVIEWED = Sample((SampleReason.REVIEW,), inclusion_probability=0.0, blind=False)
"""people chose the case, so it stands for no other one: it trains and enters no estimate"""
GUIDELINES = "platform"


class PngEncoder(Protocol):
    async def encode_png(self, data: bytes, size_px: Size) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ReviewCollector:
    addressing: Addressing
    verdicts: VerdictFinder
    store: RetryingStore
    file_budget: FileBudget
    encoder: PngEncoder
    labels: LabelStore
    observer: EventObserver

    async def collect(self, record: RawRecord, watch: Stopwatch) -> None:
        """Return when the case and the label of the review are written, or its image is found to be deleted.

        Raises: MalformedEvent, VerdictMissing, BucketForbidden, ImageChanged and what else fetching, decoding and
            writing raise.
        """
        with watch.time_stage("parse"):
            review = parse_review(record.value)
        with watch.time_stage("find"):
            verdict = await self.verdicts.find_latest(review.event_id)
        label = build_review_label(review, verdict)
        image, case_key = verdict.image.sha256, name_case(verdict)
        if not await self.labels.is_deleted(image):
            if not await self.labels.has_case(case_key):
                png = await self._encode_image(verdict, watch)
                with watch.time_stage("label"):
                    await self.labels.put_case(case_key, build_case(verdict, REVIEWED), png)
            with watch.time_stage("label"):
                former = await self.labels.find_former_label(label)
                await self.labels.put_label(label.model_copy(update={"supersedes": former}))
        # An erasure that ran meanwhile may not have seen what we, or a killed delivery of this review, wrote.
        is_deleted = await self.labels.is_deleted(image)
        if is_deleted:
            with watch.time_stage("label"):
                await self.labels.erase(image, {case_key})
        self.observer.report_collected(
            record,
            telemetry.REVIEW_COLLECTED,
            "withheld" if is_deleted else "labeled",
            event_id=review.event_id,
            case_id=verdict.verdict_id,
            label_id=label.label_id,
            reason=review.reason.value,
        )

    async def _encode_image(self, verdict: VerdictEvent, watch: Stopwatch) -> bytes:
        """Fetch the object that was judged, and encode its pixels as the sampler does."""
        image = verdict.image
        with watch.time_stage("fetch"), self.file_budget.open_share() as share:
            self.addressing.admit(image.bucket, image.key)
            ref = ImageRef(image.bucket, image.key, image.etag, image.version_id, image.sha256)
            fetched = await self.store.fetch(ref, share)
            with watch.time_stage("decode"):
                return await self.encoder.encode_png(fetched.data, (image.width_px, image.height_px))


def build_review_label(review: ReviewEvent, verdict: VerdictEvent) -> LabelEvent:
    """Build the label of a review, without the one that it corrects; a repeat of the review has the same id.

    Raises: MalformedEvent for a box outside the image.
    """
    content = sha256(review.model_dump_json().encode()).hexdigest()
    return LabelEvent(
        label_id=build_label_id(verdict.verdict_id, review.reviewer, content),
        case_id=verdict.verdict_id,
        event_id=verdict.event_id,
        image_sha256=verdict.image.sha256,
        verdict=review.verdict,
        boxes=None if review.boxes is None else _clip_boxes(review.boxes, verdict),
        explanation=review.explanation,
        annotator=review.reviewer,
        origin=LabelOrigin.REVIEW,
        blind=False,
        guideline_version=GUIDELINES,
        seconds_spent=None,
        created_at=review.time,
        supersedes=None,
    )


def _clip_boxes(boxes: list[Box], verdict: VerdictEvent) -> list[Box]:
    width, height = verdict.image.width_px, verdict.image.height_px
    clipped: list[Box] = []
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        if x1 >= width or y1 >= height:
            raise MalformedEvent(f"boxes.{number}: lies outside the image of {width} x {height} pixels")
        clipped.append((x1, y1, min(x2, width), min(y2, height)))
    return clipped
