"""The summary of a snapshot, `snapshot.json`: what it holds, what it was made from, and what was left out."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import BadSettings
from training.dataset import left_out, manifest
from training.snapshot.place import SUMMARY, SnapshotPlace

ASSIGNMENTS, FACTS = "assignments.jsonl", "cases.jsonl"
NAMING = (manifest.NAME, ASSIGNMENTS)
"""the files whose digests name the snapshot; the manifest holds the digests of the images"""
FILES = (*NAMING, left_out.NAME, FACTS)
"""the files of a snapshot besides its summary"""


class SnapshotSummary(BaseModel):
    """It holds no times and no paths: the same inputs give the same summary on any machine.

    `files` are the digests of the files that name the snapshot. `trained_on` is the digest by which a checkpoint card
    names the images of the split `train`. `base_digest` names the base's manifest, `base_share` is the share that was
    asked for.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    format: int = 1
    digest: str
    parent: str | None
    files: dict[str, str]
    trained_on: str
    base_digest: str
    base_share: float
    golden_fraction: float
    images: int
    cases: int
    by_split: dict[str, dict[str, int]]
    left_out: dict[str, int]


def digest_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def name_snapshot(files: dict[str, str]) -> str:
    """Return the digest of a snapshot from those of its files."""
    return hashlib.sha256("".join(f"{name} {files[name]}\n" for name in NAMING).encode()).hexdigest()


def read_summary(place: SnapshotPlace, digest: str, work: Path) -> SnapshotSummary:
    """Read the summary of a snapshot by way of the directory `work`.

    Raises: ImageMissing; BadSettings if it is broken.
    """
    place.read_file(digest, SUMMARY, work / SUMMARY)
    try:
        summary = SnapshotSummary.model_validate_json((work / SUMMARY).read_bytes())
    except ValidationError as error:
        raise BadSettings(f"{place.locate(digest)}/{SUMMARY} is broken: {error.errors()[0]['msg']}") from error
    if name_snapshot(summary.files) != digest:
        raise BadSettings(f"{place.locate(digest)} is not the snapshot of that name: {SUMMARY} was changed")
    return summary


def copy_checked(place: SnapshotPlace, summary: SnapshotSummary, name: str, target: Path) -> None:
    """Copy a file that names the snapshot. Raises: ImageMissing; BadSettings if it was changed."""
    place.read_file(summary.digest, name, target)
    if digest_file(target) != summary.files.get(name):
        raise BadSettings(f"{place.locate(summary.digest)}/{name} was changed; name another snapshot")
