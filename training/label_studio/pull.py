"""Fetch what annotators submitted, as labels of the bucket, top to bottom.

Safe every minute, at once from two machines, and after a kill: a label's name follows from annotation and version, it
is written only where there is none, and the mark that says how far we came is written last. A pull begins some
minutes before the mark, as a change may become visible later than its time says. Label Studio's clock alone counts.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.errors import BadSettings, ZoomInError
from pipeline.wire.labels import LabelCase, LabelEvent, LabelOrigin, build_image_key, build_label_key
from training.common.s3 import CONNECTIONS
from training.label_studio.annotations import RefusalReason, Refused, name_label, read_annotation
from training.label_studio.answers import AnnotatedTask, Project, StoredAnnotation
from training.label_studio.client import LabelStudio
from training.label_studio.marks import PullMark, Refusal, merge_refused, read_marks, write_mark
from training.label_studio.project import PROJECT_SETTING, find_project
from training.label_studio.tasks import build_image_url
from training.labeling.bucket import LabelingBucket, Unreadable
from training.labeling.cases import index_cases

MARGIN = timedelta(minutes=5)
MAX_CASE_ID = 100
"""of a refusal in the mark: anybody may have made the task"""


@dataclass(slots=True)
class PullResult:
    """Counts of annotations, also of a pull that did not end; `known` ones were labels before."""

    labels: int = 0
    known: int = 0
    skipped: int = 0
    deleted: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def add(self, other: "PullResult") -> None:
        self.labels += other.labels
        self.known += other.known
        self.skipped += other.skipped
        self.deleted += other.deleted
        self.refused += other.refused


def pull_labels(
    bucket: LabelingBucket,
    client: LabelStudio,
    title: str,
    result: PullResult,
    *,
    everything: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Write the labels of what changed since the last pull, or of everything, and count into `result` as it goes.

    Raises: BadSettings, LabelStudioUnavailable, LabelStudioRefusal, AccessDenied, StoreUnavailable,
        ImageMissing (no such bucket).
    """
    project = find_project(client, title)
    if project is None:
        raise BadSettings(f"Label Studio has no project {title}; push cases first, or set {PROJECT_SETTING}")
    page_url = client.build_project_url(project.id)
    mark = read_marks(bucket).projects.get(page_url, PullMark())
    since = None if everything or mark.since is None else mark.since - MARGIN
    deleted = bucket.list_tombstones()
    urls = frozenset(build_image_url(bucket.name, build_image_key(sha256)) for sha256 in deleted)
    pull = _Pull(bucket, client, project, deleted, urls)
    newest, seen, started = None, set[int](), clock()
    try:
        for tasks in client.list_annotated(project.id, since):
            pull.write_page(tasks, result)
            seen.update(annotation.id for task in tasks for annotation in task.annotations)
            changed = max(task.updated_at for task in tasks)
            newest = changed if newest is None else max(newest, changed)
    finally:
        pull.forget_deleted()
    refused = merge_refused([] if everything else mark.refused, frozenset(seen), result.refused)
    latest = _choose_since(None if everything else mark.since, newest, timedelta(seconds=clock() - started))
    write_mark(bucket, page_url, PullMark(since=latest, refused=refused))


def _choose_since(before: datetime | None, newest: datetime | None, took: timedelta) -> datetime | None:
    """Choose the new mark: the newest change that was read, less the time that the pull took.

    A task that was read first may have changed right after, long before the change that was read last.
    """
    return max((moment for moment in (before, newest and newest - took) if moment is not None), default=None)


@dataclass(slots=True)
class _Pull:
    """One pull. `written` holds the labels of this pull by image, in case one is deleted meanwhile."""

    bucket: LabelingBucket
    client: LabelStudio
    project: Project
    deleted: frozenset[str]
    deleted_urls: frozenset[str]
    written: dict[str, list[str]] = field(default_factory=dict)
    _cases: dict[str, str] | None = None

    def write_page(self, tasks: list[AnnotatedTask], result: PullResult) -> None:
        """Write the labels of some tasks, several at a time; after a failure finish what was begun, then raise it."""
        annotated = [task for task in tasks if task.annotations]
        if not annotated:
            return
        cases = self._index_cases()
        failure: ZoomInError | None = None
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="pull") as pool:
            futures = [pool.submit(self._write_task, task, cases) for task in annotated]
            for future in futures:
                if failure and future.cancel():
                    continue
                try:
                    result.add(future.result())
                except ZoomInError as error:
                    failure = failure or error
        if failure:
            raise failure

    def forget_deleted(self) -> None:
        """Delete the labels of this pull whose images were deleted while it ran."""
        if self.written:
            gone = self.bucket.list_tombstones() - self.deleted
            self.bucket.delete([key for sha256 in gone for key in self.written.get(sha256, [])])

    def _index_cases(self) -> dict[str, str]:
        """List the keys of all cases when the first annotation comes: most pulls of a quiet hour need none."""
        if self._cases is None:
            self._cases = index_cases(self.bucket).cases
        return self._cases

    def _write_task(self, task: AnnotatedTask, cases: dict[str, str]) -> PullResult:
        result, case_id = PullResult(), task.data.case_id
        submitted = [annotation for annotation in task.annotations if not annotation.was_cancelled]
        result.skipped = len(task.annotations) - len(submitted)
        if task.data.image in self.deleted_urls:
            result.deleted = len(submitted)
            return result
        if case_id not in cases:
            refused = Refused(RefusalReason.CASE_MISSING, "the bucket holds no such case")
            result.refused = [self._refuse(refused, task, annotation) for annotation in submitted]
            return result
        known = set(self.bucket.list_label_keys(case_id)) if submitted else set()
        new = [annotation for annotation in submitted if not _is_known(case_id, annotation, known)]
        result.known = len(submitted) - len(new)
        if new:
            self._write_new(task, new, cases[case_id], sorted(known), result)
        return result

    def _write_new(
        self, task: AnnotatedTask, new: list[StoredAnnotation], case_key: str, known: list[str], result: PullResult
    ) -> None:
        """Write the labels of annotations that the bucket has not yet, the earliest first."""
        case = self.bucket.read_case(case_key)
        if isinstance(case, Unreadable):
            refused = Refused(RefusalReason.CASE_UNREADABLE, case.detail)
            result.refused += [self._refuse(refused, task, annotation) for annotation in new]
            return
        former = {label.annotator: label.label_id for label in self._read_labels(known)}
        for annotation in sorted(new, key=lambda annotation: annotation.updated_at):
            try:
                label = read_annotation(annotation, case, former)
            except Refused as refused:
                result.refused.append(self._refuse(refused, task, annotation))
                continue
            result.labels += self._write_label(case, label)
            former[label.annotator] = label.label_id

    def _write_label(self, case: LabelCase, label: LabelEvent) -> bool:
        self.written.setdefault(case.image.sha256, []).append(build_label_key(label.case_id, label.label_id))
        return self.bucket.put_label(label)

    def _read_labels(self, keys: list[str]) -> Iterator[LabelEvent]:
        """Yield the labels that pulls wrote, in the order of their times."""
        read = [self.bucket.read_label(key) for key in keys]
        labels = (label for label in read if isinstance(label, LabelEvent) and label.origin is LabelOrigin.LABEL_STUDIO)
        yield from sorted(labels, key=lambda label: label.created_at)

    def _refuse(self, refused: Refused, task: AnnotatedTask, annotation: StoredAnnotation) -> Refusal:
        return Refusal(
            reason=refused.reason,
            case_id=task.data.case_id[:MAX_CASE_ID],
            annotation=annotation.id,
            url=self.client.build_task_url(self.project.id, task.id),
            detail=refused.detail,
        )


def _is_known(case_id: str, annotation: StoredAnnotation, known: set[str]) -> bool:
    try:
        return build_label_key(case_id, name_label(case_id, annotation)) in known
    except Refused:
        return False
