"""Fetch a snapshot into a directory from which it is trained, each file checked by its digest."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadSettings, ImageMissing
from training.snapshot.images import copy_images
from training.snapshot.place import SUMMARY, DirectoryPlace, SnapshotPlace
from training.snapshot.summary import FILES, NAMING, SnapshotSummary, copy_checked, read_summary


@dataclass(frozen=True, slots=True)
class FetchResult:
    summary: SnapshotSummary
    images_fetched: int


def fetch_snapshot(source: SnapshotPlace, digest: str, directory: Path) -> FetchResult:
    """Fetch a snapshot; images that the directory holds from other snapshots are not fetched again.

    Raises: BadSettings if there is no such snapshot, or a file of it was changed; AccessDenied, StoreUnavailable.
    """
    target = DirectoryPlace(directory)
    work = directory / f".{digest}.part"
    work.mkdir(parents=True, exist_ok=True)
    try:
        summary = read_summary(source, digest, work)
        for name in FILES:
            if name in NAMING:
                copy_checked(source, summary, name, work / name)
            else:
                source.read_file(digest, name, work / name)
        fetched = copy_images(
            target, work, lambda row: source.read_image(row.require_provenance().sha256), "fetching images"
        )
    except ImageMissing as error:
        raise BadSettings(f"{source.locate(digest)} is no complete snapshot: {error.detail}") from error
    for name in (*FILES, SUMMARY):
        target.put_file(digest, name, work / name)
    shutil.rmtree(work)
    return FetchResult(summary, fetched)
