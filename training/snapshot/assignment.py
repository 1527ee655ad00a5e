"""Assign pictures to splits once for all: no picture ever moves, and no near-duplicates stand in two splits. Pure.

The first picture of a group of near-duplicates draws the split by its digest; those that come later follow it. A
picture that is near to several splits would join them, so it is left out. Nothing that was assigned is assigned anew,
whatever comes or goes; a deleted picture alone is forgotten.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate

from pydantic import BaseModel, ConfigDict

from training.dataset.duplicates import Fingerprint, KnownPictures
from training.dataset.labeled_image import Split
from training.dataset.splits import SHARES

BETWEEN_SPLITS = "near_duplicate_between_splits"
NEAR_GOLDEN = "near_duplicate_of_golden"


class Assignment(BaseModel):
    """The split of a picture; `sha256` is the digest of its file, and `group` that of the first one of its group."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str
    source_sha256: str
    perceptual_hash: str
    group: str
    split: Split


@dataclass(frozen=True, slots=True)
class Picture:
    """What an assignment needs to know of a picture; `is_control`: a case of the control sample has it."""

    sha256: str
    source_sha256: str
    fingerprint: Fingerprint
    is_control: bool


class SplitAssigner:
    """All assignments so far, by the digests of files. Pictures are assigned in the order of their records."""

    def __init__(self, earlier: Iterable[Assignment], *, golden_fraction: float) -> None:
        self._golden_fraction = golden_fraction
        self.assignments: list[Assignment] = []
        self._by_digest: dict[str, Assignment] = {}
        self._pictures = KnownPictures()
        for assignment in earlier:
            self._add(assignment)

    def find_split(self, picture: Picture) -> Split | None:
        """Return the split that the picture has already."""
        known = self._by_digest.get(picture.sha256)
        return known.split if known else None

    def assign(self, picture: Picture) -> Assignment | str:
        """Return the assignment of a picture, or the reason why it is left out."""
        known = self._by_digest.get(picture.sha256)
        near = [] if known else self._find_near(picture.fingerprint)
        if len({other.split for other in near}) > 1:
            return BETWEEN_SPLITS
        assignment = known or (_follow(near[0], picture) if near else self._start_group(picture))
        if assignment.split is Split.GOLDEN and not picture.is_control:
            return NEAR_GOLDEN
        if known is None:
            self._add(assignment)
        return assignment

    def _add(self, assignment: Assignment) -> None:
        self.assignments.append(assignment)
        self._by_digest[assignment.sha256] = assignment
        self._pictures.add(assignment.perceptual_hash)

    def _find_near(self, fingerprint: Fingerprint) -> list[Assignment]:
        return [self.assignments[number] for number in self._pictures.find_near_duplicates(fingerprint)]

    def _start_group(self, picture: Picture) -> Assignment:
        split = draw_split(picture.sha256, self._golden_fraction if picture.is_control else 0.0)
        return _assign(picture, picture.sha256, split)


def draw_split(sha256: str, golden_fraction: float) -> Split:
    """Draw the split of a group from the digest of its first picture; golden and the others are drawn independently."""
    if draw_fraction("golden", sha256) < golden_fraction:
        return Split.GOLDEN
    drawn = draw_fraction("split", sha256)
    return next((split for split, end in zip(SHARES, accumulate(SHARES.values()), strict=True) if drawn < end))


def draw_fraction(decision: str, sha256: str) -> float:
    """Draw a number from 0 to below 1 that depends on the digest and the name of the decision alone."""
    return int.from_bytes(blake2b(sha256.encode(), key=decision.encode(), digest_size=6).digest()) / 2**48


def _follow(first: Assignment, picture: Picture) -> Assignment:
    return _assign(picture, first.group, first.split)


def _assign(picture: Picture, group: str, split: Split) -> Assignment:
    return Assignment(
        sha256=picture.sha256,
        source_sha256=picture.source_sha256,
        perceptual_hash=picture.fingerprint.upright,
        group=group,
        split=split,
    )
