"""The base of a snapshot: a built set that stays as it is, and is mixed with the labeled cases."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadSettings
from training.dataset import manifest
from training.dataset.duplicates import KnownPictures
from training.dataset.labeled_image import LabeledImage
from training.snapshot.summary import digest_file


@dataclass(frozen=True, slots=True)
class Base:
    """The images of a built set, with the digest of its manifest and all its pictures."""

    directory: Path
    digest: str
    images: list[LabeledImage]
    pictures: KnownPictures


def read_base(directory: Path) -> Base:
    """Read a base. Raises: BadSettings if it is no set, or none that `zoomin-train build` made."""
    images = list(manifest.read_manifest(directory))
    if not manifest.is_built(images) or any(image.split is None for image in images):
        raise BadSettings(
            f"{directory} is no built set, so its images have neither digests nor splits: build it with "
            f"`zoomin-train build {directory} --labels-only --out SET`, and name SET with --base"
        )
    pictures = KnownPictures([image.require_provenance().perceptual_hash for image in images])
    return Base(directory, digest_file(directory / manifest.NAME), images, pictures)
