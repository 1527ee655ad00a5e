"""Contamination of a test set: images that the training set holds, as the same file or by perceptual hash.

Source: paper section 4.1: evaluation images do not overlap with training. Excluded images are counted by reason.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.errors import BadSettings
from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.dataset import broken, duplicates, frame, manifest
from training.dataset.duplicates import Fingerprint
from training.dataset.labeled_image import Split
from training.dataset.left_out import LeftOut
from training.paper.benchmarks import BenchmarkImage

SAME_FILE, SAME_PICTURE = "same_file", "same_picture"
LEARNED_FROM = frozenset({None, Split.TRAIN, Split.VALIDATION})
"""splits whose images influence a checkpoint: its weights, or its choice and calibration"""


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """The digest of a file, and the perceptual hashes of its picture in the training frame."""

    sha256: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """The digests of a training set's files, and the perceptual hashes of its pictures."""

    files: frozenset[str]
    pictures: duplicates.KnownPictures

    @classmethod
    def read(cls, directory: Path, workers: int) -> Self:
        """Read the digests that `zoomin-train build` recorded in a set; of any other set, identify the files.

        Raises: BadSettings.
        """
        images = list(manifest.read_manifest(directory))
        if manifest.is_built(images):
            built = [image.require_provenance() for image in images if image.split in LEARNED_FROM]
            files = frozenset(digest for image in built for digest in (image.sha256, image.source_sha256))
            return cls(files, duplicates.KnownPictures([image.perceptual_hash for image in built]))
        listed = [directory / image.file for image in images]
        if not listed:
            raise BadSettings(
                f"{directory / manifest.NAME} names no image, so nothing can be told of what was trained on"
            )
        identities = [
            identity
            for identity in _identify_images(listed, workers, "training set")
            if not isinstance(identity, LeftOut)  # an image that cannot be read was not trained on
        ]
        return cls(
            frozenset(identity.sha256 for identity in identities),
            duplicates.KnownPictures([identity.fingerprint.upright for identity in identities]),
        )

    def find_match(self, identity: ImageIdentity) -> str | None:
        """Return the reason why an image counts as contaminated, or None."""
        if identity.sha256 in self.files:
            return SAME_FILE
        return SAME_PICTURE if self.pictures.has_near_duplicate(identity.fingerprint) else None


def exclude_contaminated(
    drawn: Sequence[BenchmarkImage],
    count: int,
    training_set: TrainingSet,
    *,
    title: str,
    workers: int,
    left_out: list[LeftOut],
) -> tuple[list[BenchmarkImage], Counter[str]]:
    """Return the first `count` of `drawn` that are not in the training set, and the number excluded, by reason.

    Broken files are added to `left_out`.
    Raises: BadSettings when none is left.
    """
    left: list[BenchmarkImage] = []
    excluded: Counter[str] = Counter()
    rest = list(drawn)
    while rest and len(left) < count:
        missing = count - len(left)
        batch, rest = rest[:missing], rest[missing:]
        identities = _identify_images([image.file for image in batch], workers, f"{title}: met in training?")
        for image, identity in zip(batch, identities, strict=True):
            if isinstance(identity, LeftOut):
                left_out.append(identity)
            elif (reason := training_set.find_match(identity)) is None:
                left.append(image)
            else:
                excluded[reason] += 1
    if not left:
        raise BadSettings(f"all {excluded.total()} images of {title} are in the training set; give another directory")
    return left, excluded


def describe_exclusions(title: str, left: int, excluded: Mapping[str, int]) -> str:
    """Describe how many images of a set were excluded, by reason, and how many stay."""
    reasons = ", ".join(f"{n} as {reason.replace('_', ' ')}" for reason, n in sorted(excluded.items()))
    total = sum(excluded.values())
    return f"{title}: {total} images are left out, the training set holds them ({reasons or 'none'}); {left} stay"


def _identify_images(files: Sequence[Path], workers: int, title: str) -> list[ImageIdentity | LeftOut]:
    progress = Progress(title, len(files))
    return run_parallel(identify_image, files, min(workers, max(1, len(files))), after_each=progress.show)


def identify_image(file: Path) -> ImageIdentity | LeftOut:
    """Compute both, or return why the file is broken."""
    opened = broken.read_image(file, str(file))
    if isinstance(opened, LeftOut):
        return opened
    data, image = opened
    pixels = image.pixels
    return ImageIdentity(
        hashlib.sha256(data).hexdigest(), duplicates.compute_fingerprint(frame.apply_codec_chain(pixels))
    )
