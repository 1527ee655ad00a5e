"""A labeling bucket in memory beside a Label Studio in memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.wire.labels import LabelCase, LabelEvent, build_case_key, build_label_key
from tests.support import fake_label_studio
from tests.support.annotations import Result, build_result
from tests.support.fake_label_studio import FakeLabelStudio
from tests.support.labels import START
from tests.support.memory_s3 import MemoryS3
from training.label_studio.client import LabelStudio
from training.label_studio.pull import PullResult, pull_labels
from training.label_studio.push import PushResult, push_cases
from training.label_studio.queue import PushPolicy
from training.labeling.bucket import LabelingBucket
from training.settings import TrainSettings

NO_CACHE = Path("/dev/null/cache")
"""nothing can lie there, so that no test deletes from the cache of whoever runs it"""
SETTINGS = TrainSettings(labels_double_fraction=0, labels_s3_access_key="reader", cache=NO_CACHE)


@dataclass(slots=True)
class LabelingPlace:
    s3: MemoryS3 = field(default_factory=MemoryS3)
    server: FakeLabelStudio = field(default_factory=FakeLabelStudio)
    said: list[str] = field(default_factory=list)

    @property
    def bucket(self) -> LabelingBucket:
        return LabelingBucket("labels", self.s3.client)

    def put_case(self, case: LabelCase) -> LabelCase:
        self.s3.objects[build_case_key(case.case_id, START)] = case.model_dump_json().encode()
        return case

    def put_label(self, label: LabelEvent) -> LabelEvent:
        self.s3.objects[build_label_key(label.case_id, label.label_id)] = label.model_dump_json().encode()
        return label

    def push(
        self, policy: PushPolicy | None = None, *, settings: TrainSettings = SETTINGS, result: PushResult | None = None
    ) -> PushResult:
        result = PushResult() if result is None else result
        with self._open() as client:
            push_cases(self.bucket, client, settings, policy or PushPolicy(), result, self.said.append)
        return result

    def pull(
        self, *, everything: bool = False, result: PullResult | None = None, clock: Callable[[], float] = time.monotonic
    ) -> PullResult:
        result = PullResult() if result is None else result
        with self._open() as client:
            pull_labels(self.bucket, client, SETTINGS.labels_project, result, everything=everything, clock=clock)
        return result

    def annotate(
        self, case: LabelCase, result: list[Result] | None = None, *, user: int = 3, cancelled: bool = False
    ) -> int:
        """Submit an annotation of the case's task, and return its number."""
        task = next(task for task in self.server.tasks.values() if task.data["case_id"] == case.case_id)
        size = case.image.width_px, case.image.height_px
        body = {"result": result or build_result(size=size), "lead_time": 9.0, "was_cancelled": cancelled}
        with self.server.connect(user) as annotator:
            return int(annotator.post(f"/api/tasks/{task.id}/annotations/", json=body).json()["id"])

    def change(self, annotation: int, result: list[Result], *, user: int = 3) -> None:
        with self.server.connect(user) as annotator:
            annotator.patch(f"/api/annotations/{annotation}/", json={"result": result}).raise_for_status()

    def read_labels(self) -> list[LabelEvent]:
        """Read all labels of the bucket in the order of their times."""
        read = [self.bucket.read_label(key) for key in self.bucket.list_label_keys()]
        return sorted((label for label in read if isinstance(label, LabelEvent)), key=lambda label: label.created_at)

    def list_sent(self) -> list[str]:
        """List the cases of all tasks in the order in which they were sent."""
        return [str(task.data["case_id"]) for task in self.server.tasks.values()]

    def _open(self) -> LabelStudio:
        return LabelStudio(fake_label_studio.URL, fake_label_studio.TOKEN, timeout_s=5, transport=self.server.transport)
