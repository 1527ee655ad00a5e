"""Read and write a labeled set on disk: a directory of image files with `manifest.jsonl`, one line for each image."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import BadSettings
from training.dataset import old_sets
from training.dataset.labeled_image import LabeledImage

NAME = "manifest.jsonl"


def read_manifest(directory: Path) -> Iterator[LabeledImage]:
    """Yield the images of a set in the order of its lines.

    Raises: BadSettings if there is no manifest or one of its lines cannot be read.
    """
    path = directory / NAME
    if not path.is_file():
        if not (directory / old_sets.NAME).is_file():
            raise BadSettings(f"no {NAME} in {directory}; name a set that `zoomin-train build` or `scenes` has written")
        yield from old_sets.read_old_manifest(directory)
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield LabeledImage.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                raise BadSettings(
                    f"{path}, line {number}: {place}{': ' if place else ''}{first['msg']}; mend it"
                ) from error


def write_manifest(directory: Path, images: Iterable[LabeledImage]) -> Path:
    """Write one line for each image and return the manifest's path; the file appears whole or not at all."""
    path = directory / NAME
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w") as stream:
        for image in images:
            stream.write(image.model_dump_json(exclude_unset=True, exclude_none=True) + "\n")
    unfinished.replace(path)
    return path


def is_built(images: Sequence[LabeledImage]) -> bool:
    """Return whether `zoomin-train build` made this set; its files are framed, checked, and named by their digests."""
    return bool(images) and all(image.provenance for image in images)
