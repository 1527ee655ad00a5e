"""The images of a night's set that were labeled since the champion's snapshot, by source and class."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import ImageMissing
from pipeline.verdict import Verdict
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.snapshot.place import IMAGES, SnapshotPlace


def read_known_files(place: SnapshotPlace, digest: str | None) -> set[str]:
    """Return the images of the champion's snapshot; none where it comes from no snapshot of the place."""
    if digest is None:
        return set()
    with TemporaryDirectory() as directory:
        try:
            place.read_file(digest, manifest.NAME, Path(directory) / manifest.NAME)
        except ImageMissing:
            return set()
        return {row.file for row in manifest.read_manifest(Path(directory))}


def list_new_rows(data: Path, known: set[str]) -> list[LabeledImage]:
    """List the labeled cases of a set that the champion's snapshot does not have."""
    return [row for row in manifest.read_manifest(data) if row.case and row.file not in known]


def count_by_source(rows: Iterable[LabeledImage]) -> list[dict[str, object]]:
    """Count images by source, each with the number of each class, the largest source first."""
    counts = Counter((row.source or "", row.label) for row in rows)
    sources = {source: sum(counts[source, label] for label in Verdict) for source, _ in counts}
    ranked = sorted(sources, key=lambda source: (-sources[source], source))
    return [{"source": source, **{label: counts[source, label] for label in Verdict}} for source in ranked]


def write_new_set(directory: Path, data: Path, rows: Iterable[LabeledImage]) -> int:
    """Write the new test images as a set of their own, with the images of `data`; return their number."""
    tested = [row for row in rows if row.split is Split.TEST]
    link_images(directory, data)
    manifest.write_manifest(directory, tested)
    return len(tested)


def link_images(directory: Path, data: Path) -> None:
    """Give a set the images of another one."""
    directory.mkdir(parents=True, exist_ok=True)
    link = directory / IMAGES
    link.unlink(missing_ok=True)
    link.symlink_to((data / IMAGES).resolve())
