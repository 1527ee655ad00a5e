"""Send pending cases to Label Studio, top to bottom.

Invariant: a case has one task. One push at a time works on a bucket (a lease in it), and Label Studio itself is asked
what it has, so a push after a kill or from another machine goes on where the last one stopped.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pipeline.wire.labels import LabelOrigin, build_image_key, build_mark_key
from training.common.lease import Lease, LeasePlace, hold_lease
from training.errors import LabelStudioRefusal
from training.label_studio.answers import Project, StoredTask
from training.label_studio.client import LabelStudio
from training.label_studio.project import prepare_project, prepare_storage
from training.label_studio.queue import PushPolicy, WaitingCase, choose_cases, choose_reason
from training.label_studio.tasks import Task, build_image_url, build_task, find_case_problem
from training.labeling.adjudication import LabelState
from training.labeling.bucket import LabelingBucket, Unreadable
from training.labeling.cases import AdjudicatedCase, CaseIndex, index_cases, read_cases
from training.settings import TrainSettings

LEASE_NAME, WORK = "labels-push-lease", "labels push"
TASKS_A_REQUEST = 500
DOUBLE, MOST_ANNOTATORS = 2, 3


@dataclass(slots=True)
class PushResult:
    """Counts of a push, also of one that did not end. `waiting` cases were left for later by quotas and limit."""

    sent: Counter[str] = field(default_factory=Counter)
    known: int = 0
    waiting: int = 0
    overlap_raised: int = 0
    deleted_tasks: int = 0
    repeated_tasks: int = 0
    refused: list[Unreadable] = field(default_factory=list)


def push_cases(
    bucket: LabelingBucket,
    client: LabelStudio,
    settings: TrainSettings,
    policy: PushPolicy,
    result: PushResult,
    notify: Callable[[str], None],
) -> None:
    """Send the cases that the policy chooses, and count into `result` as it goes.

    Raises: LeaseHeld, BadSettings, LabelStudioUnavailable, LabelStudioRefusal, AccessDenied, StoreUnavailable,
        ImageMissing (no such bucket).
    """
    place = LeasePlace(bucket.client, bucket.name, build_mark_key(LEASE_NAME), WORK)
    with hold_lease(place, notify=notify) as lease:
        project = prepare_project(client, settings.labels_project, notify)
        push = _Push(bucket, client, project, lease, result, bucket.list_tombstones(), index_cases(bucket))
        tasks = push.clean_tasks()
        result.known = len(tasks)
        waiting = push.find_waiting(tasks, policy)
        chosen = choose_cases(waiting, push.count_open(tasks, policy), policy)
        result.waiting = len(waiting) - len(chosen)
        if chosen:  # Label Studio refuses a storage without images
            warning = prepare_storage(client, project, bucket, settings)
            if warning:
                notify(warning)
        push.send(chosen)
        push.raise_overlaps(settings)


@dataclass(frozen=True, slots=True)
class _Push:
    bucket: LabelingBucket
    client: LabelStudio
    project: Project
    lease: Lease
    result: PushResult
    deleted: frozenset[str]
    index: CaseIndex

    def clean_tasks(self) -> dict[str, StoredTask]:
        """Delete the tasks of deleted images, and repeated ones that nobody has worked on; return the others."""
        urls = {build_image_url(self.bucket.name, build_image_key(sha256)) for sha256 in self.deleted}
        tasks: dict[str, StoredTask] = {}
        of_deleted, repeated = [], []
        for task in self.client.list_tasks(self.project.id):
            name, before = task.data.case_id, tasks.get(task.data.case_id)
            if task.data.image in urls:
                of_deleted.append(task.id)
            elif before and _is_untouched(task):
                repeated.append(task.id)
            elif name:
                if before and _is_untouched(before):
                    repeated.append(before.id)
                tasks[name] = task
        self.lease.check()
        if of_deleted or repeated:
            self.client.delete_tasks(self.project.id, of_deleted + repeated)
        self.result.deleted_tasks, self.result.repeated_tasks = len(of_deleted), len(repeated)
        return tasks

    def find_waiting(self, tasks: dict[str, StoredTask], policy: PushPolicy) -> list[WaitingCase]:
        """Find the cases without a task that annotators have to look at."""
        names = [case_id for case_id in self.index.cases if case_id not in tasks]
        waiting = []
        for found in self._read(names):
            case = found.case
            reason = choose_reason(case, policy)
            if found.needs_annotator and reason is not None:
                waiting.append(WaitingCase(case.case_id, reason, case.created_at))
        return waiting

    def count_open(self, tasks: dict[str, StoredTask], policy: PushPolicy) -> Counter[str]:
        """Count the cases by reason that have a task and no label; only where a quota asks for it."""
        if not policy.quotas:
            return Counter()
        names = [case_id for case_id in self.index.cases if case_id in tasks and case_id not in self.index.labels]
        reasons = (choose_reason(found.case, policy) for found in self._read(names))
        return Counter(reason for reason in reasons if reason is not None)

    def send(self, chosen: Sequence[WaitingCase]) -> None:
        reasons = {case.case_id: case.reason for case in chosen}
        tasks = (build_task(found.case, self.bucket.name) for found in self._read(list(reasons)))
        while batch := list(islice(tasks, TASKS_A_REQUEST)):
            self._send_batch(batch, reasons)

    def raise_overlaps(self, settings: TrainSettings) -> None:
        """Give a second annotator to the cases that the hash draws, and a third to those whose labels differ.

        Every push compares all tasks, so it also mends what a kill left undone.
        """
        disputed = self._find_disputed()
        salt = settings.labels_salt.get_secret_value().encode()
        for task in self.client.list_tasks(self.project.id):
            case_id = task.data.case_id
            if case_id not in self.index.cases:
                continue
            is_double = draw_double(case_id, settings.labels_double_fraction, salt)
            annotators = max(DOUBLE if is_double else 1, disputed.get(case_id, 1))
            if task.overlap < annotators:
                self.lease.check()
                self.client.set_overlap(task.id, annotators)
                self.result.overlap_raised += 1

    def _find_disputed(self) -> dict[str, int]:
        """Return for each case whose labels differ how many annotators it needs."""
        names = [case_id for case_id in self.index.cases if len(self.index.labels.get(case_id, ())) > 1]
        needed = {}
        for found in self._read(names):
            if found.adjudication.state is LabelState.DISPUTED:
                labels = [label for label in found.adjudication.labels if label.origin is LabelOrigin.LABEL_STUDIO]
                needed[found.case.case_id] = min(MOST_ANNOTATORS, len(labels) + 1)
        return needed

    def _send_batch(self, batch: list[Task], reasons: dict[str, str]) -> None:
        """Import tasks; where Label Studio refuses a request, halve it until the refused task is alone."""
        self.lease.check()
        try:
            self.client.import_tasks(self.project.id, batch)
        except LabelStudioRefusal as error:
            if len(batch) == 1:
                self.result.refused.append(Unreadable(self.index.cases[batch[0]["data"]["case_id"]], error.detail))
                return
            middle = len(batch) // 2
            self._send_batch(batch[:middle], reasons)
            self._send_batch(batch[middle:], reasons)
        else:
            self.result.sent.update(reasons[task["data"]["case_id"]] for task in batch)

    def _read(self, names: Sequence[str]) -> Iterator[AdjudicatedCase]:
        """Yield the cases of these ids that can be shown and are not deleted; count the others as refused."""
        part = CaseIndex({name: self.index.cases[name] for name in names}, self.index.labels)
        refused = {unreadable.key for unreadable in self.result.refused}
        for found in read_cases(self.bucket, part):
            if isinstance(found, Unreadable):
                problem = found
            elif found.case.image.sha256 in self.deleted:
                continue
            elif detail := find_case_problem(found.case):
                problem = Unreadable(self.index.cases.get(found.case.case_id, found.case.case_id), detail)
            else:
                yield found
                continue
            if problem.key not in refused:
                self.result.refused.append(problem)


def draw_double(case_id: str, fraction: float, salt: bytes) -> bool:
    """Decide if two annotators label a case; the same for every push."""
    digest = hashlib.blake2b(f"double{case_id}".encode(), key=salt[:64], digest_size=8).digest()
    return int.from_bytes(digest) < fraction * 2**64


def _is_untouched(task: StoredTask) -> bool:
    return not task.total_annotations + task.cancelled_annotations
