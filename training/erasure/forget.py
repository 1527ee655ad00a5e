"""Forget images in every place that holds them, top to bottom; the same call finishes what was ended in the middle."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pipeline.labeling.case_search import FoundCases, Selection, find_cases
from pipeline.labeling.erasure import erase_image, read_tombstone, write_tombstone
from pipeline.wire.labels import build_image_key
from training.erasure.answers import SetJournal, find_answers, find_journals, shorten_journal
from training.erasure.checkpoints import TrainedCheckpoint, find_trained_checkpoints
from training.erasure.exports import find_exports
from training.erasure.sets import SetCopies, delete_copies, find_copies
from training.label_studio.client import LabelStudio
from training.label_studio.tasks import build_image_url
from training.labeling.bucket import LabelingBucket
from training.settings import TrainSettings
from training.snapshot.holders import delete_unfinished, find_holders
from training.snapshot.place import open_place


@dataclass(frozen=True, slots=True)
class ForgetPlaces:
    """Places besides the labeling bucket: `sets` lose their copies, snapshots and checkpoints are named alone.

    `answers` are directories with answers of models, besides that of the cache.
    """

    sets: tuple[Path, ...] = ()
    snapshots: tuple[str, ...] = ()
    models: tuple[Path, ...] = ()
    answers: tuple[Path, ...] = ()
    label_studio_data: Path | None = None


@dataclass(slots=True)
class ForgetResult:
    """What was found and, without `dry_run`, deleted; filled as it goes, so that a failure leaves what was done."""

    images: dict[str, list[str]] = field(default_factory=dict)
    """case keys by sha256"""
    unreadable: list[str] = field(default_factory=list)
    tasks: int = 0
    exports: list[Path] = field(default_factory=list)
    copies: list[Path] = field(default_factory=list)
    answers: list[Path] = field(default_factory=list)
    journals: list[SetJournal] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    checkpoints: list[TrainedCheckpoint] = field(default_factory=list)
    objects: int = 0

    @property
    def is_known(self) -> bool:
        """True if any image was found in a place that this call has searched."""
        return bool(any(self.images.values()) or self.tasks or self.exports or self.copies)


def forget_images(
    bucket: LabelingBucket,
    selection: Selection,
    places: ForgetPlaces,
    client: LabelStudio | None,
    settings: TrainSettings,
    result: ForgetResult,
    *,
    dry_run: bool = False,
) -> None:
    """Forget the selected images, or with `dry_run` only find them.

    Raises: BadSettings, LabelStudioUnavailable, LabelStudioRefusal, AccessDenied, StoreUnavailable, ImageMissing (no
        such bucket).
    """
    now = datetime.now(UTC)
    found = find_cases(bucket.client, bucket.name, selection)
    result.images, result.unreadable = found.by_image, found.unreadable
    if not dry_run:
        _leave_tombstones(bucket, found, now)
    case_ids = frozenset(_list_case_ids(bucket, found.by_image))
    sha256s = frozenset(found.by_image)
    if client is not None:
        result.tasks = _delete_tasks(bucket, client, sha256s, case_ids, dry_run=dry_run)
    if places.label_studio_data is not None:
        names = case_ids | {build_image_key(sha256) for sha256 in sha256s}
        result.exports = list(find_exports(places.label_studio_data, names))
    copies = [found for place in places.sets for found in find_copies(place, sha256s, case_ids)]
    result.copies = [path for found_in_set in copies for path in found_in_set.files]
    result.journals = list(find_journals(copies))
    if result.is_known:
        result.answers = list(find_answers([settings.answers_directory, *places.answers]))
    _name_holders(places, settings, copies, sha256s, case_ids, result)
    if dry_run:
        return
    _delete_files(result, copies)
    if sha256s:
        delete_unfinished(settings.cache_directory)
    for sha256, case_keys in found.by_image.items():
        result.objects += len(erase_image(bucket.client, bucket.name, sha256, case_keys, now=now))


def _delete_files(result: ForgetResult, copies: list[SetCopies]) -> None:
    """Delete what was found on this machine; the copies last, because by them the answers are found again."""
    for path in [*result.exports, *result.answers]:
        path.unlink(missing_ok=True)
    for journal in result.journals:
        shorten_journal(journal)
    for found_in_set in copies:
        delete_copies(found_in_set)


def _leave_tombstones(bucket: LabelingBucket, found: FoundCases, now: datetime) -> None:
    """Leave the tombstones, then add the cases that came while the others were read: from now on none is written."""
    for sha256, case_keys in found.by_image.items():
        write_tombstone(bucket.client, bucket.name, sha256, case_keys, now=now)
    if found.by_image:
        images = Selection(sha256s=frozenset(found.by_image))
        for sha256, case_keys in find_cases(
            bucket.client, bucket.name, images, besides=found.searched
        ).by_image.items():
            found.by_image[sha256] += case_keys


def _list_case_ids(bucket: LabelingBucket, images: dict[str, list[str]]) -> Iterator[str]:
    """List the cases of the images, also those that an earlier erasure has deleted."""
    for sha256, case_keys in images.items():
        yield from (PurePosixPath(key).stem for key in case_keys)
        tombstone = read_tombstone(bucket.client, bucket.name, sha256)
        yield from tombstone.case_ids if tombstone else ()


def _delete_tasks(
    bucket: LabelingBucket,
    client: LabelStudio,
    sha256s: frozenset[str],
    case_ids: frozenset[str],
    *,
    dry_run: bool,
) -> int:
    """Delete the tasks of the cases and of the images, with all annotations of them; return how many there were.

    Every project is searched: an update of the page leaves one with an old title behind.
    """
    urls = {build_image_url(bucket.name, build_image_key(sha256)) for sha256 in sha256s}
    count = 0
    for project in client.list_projects():
        tasks = [
            task.id
            for task in client.list_tasks(project.id)
            if task.data.case_id in case_ids or task.data.image in urls
        ]
        count += len(tasks)
        if tasks and not dry_run:
            client.delete_tasks(project.id, tasks)
    return count


def _name_holders(
    places: ForgetPlaces,
    settings: TrainSettings,
    copies: list[SetCopies],
    sha256s: frozenset[str],
    case_ids: frozenset[str],
    result: ForgetResult,
) -> None:
    """Name the snapshots that hold an image, and the checkpoints that were trained on them or on the sets."""
    trained_on = {digest for found_in_set in copies for digest in found_in_set.digests}
    for name in places.snapshots:
        with open_place(name, settings) as place:
            for holder in find_holders(place, sha256s=sha256s, case_ids=case_ids):
                result.snapshots.append(place.locate(holder.digest))
                trained_on.add(holder.trained_on)
    for directory in places.models:
        result.checkpoints += find_trained_checkpoints(directory, trained_on)
