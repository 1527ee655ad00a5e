"""The snapshot that another one goes on from: its assignments stay, and its facts need not be read again."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import BadSettings, ImageMissing
from training.common.whole_file import write_whole
from training.snapshot.assignment import Assignment
from training.snapshot.place import SnapshotPlace
from training.snapshot.summary import ASSIGNMENTS, FACTS, SnapshotSummary, copy_checked, read_summary

NONE = "none"


@dataclass(frozen=True, slots=True)
class Parent:
    summary: SnapshotSummary
    assignments: list[Assignment]


def find_parent(place: SnapshotPlace, digest: str | None, work: Path, facts: Path) -> Parent | None:
    """Read the snapshot of this digest, None for `none` too; its facts start the file `facts`.

    A file `facts` that a killed run has begun stays as it is.
    Raises: BadSettings if there is no such snapshot, or a file of it was changed.
    """
    if digest is None or digest == NONE:
        return None
    try:
        summary = read_summary(place, digest, work)
        copy_checked(place, summary, ASSIGNMENTS, work / ASSIGNMENTS)
        if not facts.exists():
            with write_whole(facts) as unfinished:
                place.read_file(summary.digest, FACTS, unfinished)
    except ImageMissing as error:
        raise BadSettings(
            f"no snapshot {place.locate(digest)} ({error.detail}); name another one with --predecessor, or none"
        ) from error
    return Parent(summary, _read_assignments(work / ASSIGNMENTS))


def _read_assignments(path: Path) -> list[Assignment]:
    try:
        with path.open("rb") as lines:
            return [Assignment.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise BadSettings(f"{ASSIGNMENTS} of the predecessor is broken: {error.errors()[0]['msg']}") from error
