"""Which images of a test set a model has met in training: the same file, or the same picture by perceptual hash.

Source: paper section 4.1: evaluation images do not overlap with training. What is left out is counted by its reason.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.errors import BadSettings
from training.common.progress import Progress
from training.common.spread import over_processes
from training.dataset import duplicates, frame, manifest, tuples
from training.dataset.duplicates import Fingerprint
from training.dataset.tuples import Split
from training.evaluation import samples
from training.paper.benchmarks import Listed

SAME_FILE, SAME_PICTURE = "same_file", "same_picture"
LEARNED_FROM = frozenset({None, Split.TRAIN, Split.VALIDATION})
"""splits whose images shape a checkpoint: its weights, or its choice and calibration"""


@dataclass(frozen=True, slots=True)
class Looked:
    """A file's digest, and its picture's hash in the training frame."""

    sha256: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True, eq=False)
class TrainedOn:
    """The files and the pictures of a training set."""

    files: frozenset[str]
    pictures: duplicates.Known

    @classmethod
    def read(cls, directory: Path, workers: int) -> Self:
        """A set that `zoomin-train build` made remembers where its images came from; of others, the files are read.

        Raises: BadSettings, ImageRefused, ImageTooLarge, ImageUndecodable.
        """
        if (directory / tuples.NAME).is_file():
            built = [one for one in tuples.read(directory) if one.split in LEARNED_FROM]
            files = frozenset(digest for one in built for digest in (one.sha256, one.source_sha256))
            return cls(files, duplicates.Known([one.perceptual_hash for one in built]))
        listed = [directory / entry.file for entry in manifest.read(directory)]
        if not listed:
            raise BadSettings(
                f"{directory / manifest.NAME} names no image, so nothing can be told of what was trained on"
            )
        looked = _look_at(listed, workers, "training set")
        return cls(
            frozenset(one.sha256 for one in looked), duplicates.Known([one.fingerprint.upright for one in looked])
        )

    def holds(self, one: Looked) -> str | None:
        """Why it counts as met, or None."""
        if one.sha256 in self.files:
            return SAME_FILE
        return SAME_PICTURE if self.pictures.holds(one.fingerprint) else None


def unmet(
    drawn: Sequence[Listed], count: int, trained_on: TrainedOn, *, title: str, workers: int
) -> tuple[list[Listed], Counter[str]]:
    """The first `count` of `drawn` that were not met in training, and how many before them were, by reason.

    Raises: BadSettings when none is left; ImageRefused, ImageTooLarge, ImageUndecodable, with the file's name.
    """
    kept: list[Listed] = []
    met: Counter[str] = Counter()
    rest = list(drawn)
    while rest and len(kept) < count:
        wanted = count - len(kept)
        taken, rest = rest[:wanted], rest[wanted:]
        looked = _look_at([one.file for one in taken], workers, f"{title}: met in training?")
        for listed, one in zip(taken, looked, strict=True):
            reason = trained_on.holds(one)
            if reason is None:
                kept.append(listed)
            else:
                met[reason] += 1
    if not kept:
        raise BadSettings(f"all {met.total()} images of {title} are in the training set; give another directory")
    return kept, met


def told(title: str, left: int, met: Mapping[str, int]) -> str:
    """For people: what was left out of a set, and how many images stay."""
    reasons = ", ".join(f"{n} as {reason.replace('_', ' ')}" for reason, n in sorted(met.items()))
    total = sum(met.values())
    return f"{title}: {total} images are left out, the training set holds them ({reasons or 'none'}); {left} stay"


def _look_at(files: Sequence[Path], workers: int, title: str) -> list[Looked]:
    progress = Progress(title, len(files))
    return over_processes(look, files, min(workers, max(1, len(files))), after_each=progress.show)


def look(file: Path) -> Looked:
    """Raises: ImageRefused, ImageTooLarge, ImageUndecodable, with the file's name."""
    pixels = samples.opened(file).pixels
    return Looked(hashlib.sha256(file.read_bytes()).hexdigest(), duplicates.fingerprint(frame.through_chain(pixels)))
