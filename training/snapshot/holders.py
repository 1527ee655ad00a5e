"""Find the snapshots that hold an image: a deletion names them, and through them the checkpoints that saw the image."""

import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage
from training.snapshot.place import SnapshotPlace
from training.snapshot.snapshot import UNFINISHED
from training.snapshot.summary import copy_checked, read_summary


@dataclass(frozen=True, slots=True)
class SnapshotHolder:
    """A snapshot that holds images; `trained_on` is the digest by which the cards of its checkpoints name it."""

    digest: str
    trained_on: str
    files: tuple[str, ...]


def find_holders(
    place: SnapshotPlace, *, sha256s: Collection[str] = (), case_ids: Collection[str] = ()
) -> Iterator[SnapshotHolder]:
    """Yield the snapshots of a place that hold one of the images, which are named by their original bytes or cases.

    Each manifest is read a line at a time. Raises: BadSettings for a broken snapshot, AccessDenied, StoreUnavailable.
    """
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for digest in place.list_snapshots():
            summary = read_summary(place, digest, work)
            copy_checked(place, summary, manifest.NAME, work / manifest.NAME)
            rows = manifest.read_manifest(work)
            held = tuple(row.file for row in rows if _is_one_of(row, sha256s, case_ids))
            if held:
                yield SnapshotHolder(digest, summary.trained_on, held)


def delete_unfinished(cache: Path) -> None:
    """Delete what unfinished snapshots have read of the labeling bucket; they read it again."""
    shutil.rmtree(cache / UNFINISHED, ignore_errors=True)


def _is_one_of(row: LabeledImage, sha256s: Collection[str], case_ids: Collection[str]) -> bool:
    named = row.require_provenance().source_sha256 in sha256s
    return named or (row.case is not None and row.case.case_id in case_ids)
