"""Copies of an image in labeled sets on this machine: its file and its line in the manifest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.runs.publishing import digest_entries

DOWNLOADED = "cases"
"""folder of a built set with the cases it was built from, a set of its own"""


@dataclass(frozen=True, slots=True)
class SetCopies:
    """The images of a set that have to go; a checkpoint trained on the set as it was names one of `digests`."""

    directory: Path
    files: tuple[Path, ...]
    digests: tuple[str, ...]


def find_copies(directory: Path, sha256s: frozenset[str], case_ids: frozenset[str]) -> Iterator[SetCopies]:
    """Find the images in a set and in the cases below it. Raises: BadSettings if a manifest cannot be read."""
    for place in (directory, directory / DOWNLOADED):
        if not (place / manifest.NAME).is_file() and place != directory:
            continue
        rows = list(manifest.read_manifest(place))
        named = {place / row.file for row in rows if _shows(row, sha256s, case_ids)}
        # A download that was killed has written files and no manifest yet, or that of an earlier one.
        named |= {path for path in place.glob("*.png") if path.stem in case_ids}
        if named:
            train = [row for row in rows if row.split is Split.TRAIN]
            yield SetCopies(place, tuple(sorted(named)), (digest_entries(rows), digest_entries(train)))


def delete_copies(copies: SetCopies) -> None:
    """Delete the files, then their lines of the manifest, by which they are found again after a kill."""
    directory = copies.directory
    for path in copies.files:
        path.unlink(missing_ok=True)
    gone = {path.relative_to(directory).as_posix() for path in copies.files}
    manifest.write_manifest(directory, [row for row in manifest.read_manifest(directory) if row.file not in gone])


def _shows(row: LabeledImage, sha256s: frozenset[str], case_ids: frozenset[str]) -> bool:
    if row.case is not None and row.case.case_id in case_ids:
        return True
    named = row.provenance.source_sha256 if row.provenance is not None else ""
    return named in sha256s or Path(row.file).stem in case_ids
