"""Answers of models that are kept on this machine: they tell what an image shows, and are forgotten with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.common.journal import keep_answers
from training.dataset import manifest
from training.erasure.sets import DOWNLOADED, SetCopies

JOURNALS = ("journal.jsonl", "annotations.jsonl")
"""of a set that was built, and of one that a night has annotated"""


@dataclass(frozen=True, slots=True)
class SetJournal:
    """The journal of a set, and the images of the set that stay."""

    path: Path
    staying: frozenset[str]


def find_answers(directories: Iterable[Path]) -> Iterator[Path]:
    """Yield the files of models' answers; they do not name their images, so that a file goes as a whole."""
    for directory in directories:
        yield from sorted(directory.glob("*.jsonl"))


def find_journals(copies: Iterable[SetCopies]) -> Iterator[SetJournal]:
    """Yield the journals of the sets that lose an image. Raises: BadSettings if a manifest cannot be read."""
    losses: dict[Path, set[str]] = {}
    for found in copies:
        place = found.directory.parent if found.directory.name == DOWNLOADED else found.directory
        losses.setdefault(place, set()).update(path.stem for path in found.files)
    for place, lost in losses.items():
        staying = {Path(row.file).stem for row in manifest.read_manifest(place)} - lost
        yield from (SetJournal(place / name, frozenset(staying)) for name in JOURNALS if (place / name).is_file())


def shorten_journal(journal: SetJournal) -> None:
    """Delete the answers about all images but those that stay; a build asks again about what it had left out."""
    keep_answers(journal.path, journal.staying)
