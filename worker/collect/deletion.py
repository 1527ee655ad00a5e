"""The way of one request to forget an image, from its record to an image that is gone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pipeline.labeling.case_search import Selection
from pipeline.wire.record import RawRecord
from pipeline.wire.reviews import DeletionEvent, parse_deletion
from pipeline.wire.urls import Addressing
from worker.collect.label_store import LabelStore
from worker.collect.verdict_finder import VerdictFinder
from worker.collect.verdict_index import VerdictIndex
from worker.observe import telemetry
from worker.observe.event_observer import EventObserver
from worker.observe.stopwatch import Stopwatch


class History(Protocol):
    @property
    def complete_since(self) -> datetime:
        """The time from which on every verdict is in the index."""


@dataclass(frozen=True, slots=True)
class DeletionCollector:
    addressing: Addressing
    index: VerdictIndex
    history: History
    verdicts: VerdictFinder
    labels: LabelStore
    observer: EventObserver

    async def collect(self, record: RawRecord, watch: Stopwatch) -> None:
        """Return when every image that the request names is gone from the labeling bucket.

        Raises: MalformedEvent, VerdictMissing and what reading and deleting raise.
        """
        with watch.time_stage("parse"):
            selection = self._read_selection(parse_deletion(record.value))
        with watch.time_stage("find"):
            case_keys = await self._find_cases(selection)
        with watch.time_stage("erase"):
            for sha256, keys in case_keys.items():
                await self.labels.erase(sha256, keys)
        self.observer.report_collected(
            record,
            telemetry.IMAGES_ERASED,
            "erased",
            images=sorted(case_keys),
            cases=sum(map(len, case_keys.values())),
        )

    def _read_selection(self, deletion: DeletionEvent) -> Selection:
        return Selection(
            event_ids=frozenset() if deletion.event_id is None else frozenset({deletion.event_id}),
            objects=frozenset() if deletion.url is None else frozenset({self.addressing.locate(deletion.url)}),
            sha256s=frozenset() if deletion.sha256 is None else frozenset({deletion.sha256}),
        )

    async def _find_cases(self, selection: Selection) -> Mapping[str, set[str]]:
        """Find the case keys of each image: recent ones by the index, older ones by reading them in the bucket."""
        images = selection.sha256s | self.index.find_images(selection)
        older = await self._read_older_cases(replace(selection, sha256s=images))
        if not older:
            images = await self.verdicts.find_images(selection)
            older = await self._read_older_cases(replace(selection, sha256s=images))
        return {sha256: {*keys, *self.index.find_case_keys(sha256)} for sha256, keys in older.items()}

    async def _read_older_cases(self, selection: Selection) -> Mapping[str, list[str]]:
        found = await self.labels.find_cases(selection, until=self.history.complete_since.date())
        if found.unreadable:
            telemetry.get_logger().warning(
                telemetry.CASES_UNREADABLE, cases=len(found.unreadable), first=found.unreadable[0]
            )
        return found.by_image
