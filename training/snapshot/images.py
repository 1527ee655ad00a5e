"""Copy the images of a snapshot to its place; what is there already is neither read nor written."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipeline.errors import BadSettings, ImageMissing
from training.common.ahead import map_ahead
from training.common.progress import Progress
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage
from training.labeling.bucket import LabelingBucket
from training.snapshot.place import SnapshotPlace

THREADS = 8


def copy_images(place: SnapshotPlace, work: Path, read: Callable[[LabeledImage], bytes], title: str) -> int:
    """Copy the images of the manifest in `work` that the place lacks, each checked, and return their number.

    Raises: BadSettings for an image that is not the one of the manifest; what `read` raises.
    """
    present = frozenset(place.list_images())
    count = sum(1 for _ in _list_missing(work, present))
    progress = Progress(title, count)

    def copy(row: LabeledImage) -> None:
        sha256, data = row.require_provenance().sha256, read(row)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BadSettings(f"the image of {row.file} was changed: its digest is another; put the first version back")
        place.put_image(sha256, data)

    for done, _ in enumerate(map_ahead(copy, _list_missing(work, present), threads=THREADS), start=1):
        progress.show(done)
    return count


def _list_missing(work: Path, present: frozenset[str]) -> Iterator[LabeledImage]:
    return (row for row in manifest.read_manifest(work) if row.require_provenance().sha256 not in present)


def build_reader(bucket: LabelingBucket, base_files: Mapping[str, Path]) -> Callable[[LabeledImage], bytes]:
    """Return a function that reads an image from the base's files, by their digests, or from the labeling bucket."""

    def read(row: LabeledImage) -> bytes:
        provenance = row.require_provenance()
        path = base_files.get(provenance.sha256)
        try:
            return path.read_bytes() if path else bucket.read_image(provenance.source_file)
        except ImageMissing as error:
            raise BadSettings(
                f"{provenance.source_file} is gone from the labeling bucket before it was stored; put it back, or run "
                f"`zoomin-train labels forget --sha256 {provenance.source_sha256}`"
            ) from error

    return read
