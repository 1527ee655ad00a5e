"""The disk that a set's frames will take, estimated from a sample of its source before any of them is written."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.errors import BadSettings
from training.common.parallel import run_parallel
from training.dataset import frame, placement
from training.dataset.frame import FrameOptions, MeasuredImage
from training.dataset.labeled_image import LabeledImage

SAMPLE = 48
"""images, evenly spread over the source, whose sizes stand for all"""
BYTES_PER_PIXEL = 3
SQUARE_PIXELS = placement.SQUARE_PX**2
GB = 10**9


@dataclass(frozen=True, slots=True)
class SetSize:
    """The images of a set, and the bytes of one of them on average; sizes that are matched later only get smaller."""

    images: int
    mean_bytes: float

    @property
    def total_bytes(self) -> int:
        return round(self.images * self.mean_bytes)

    def __str__(self) -> str:
        return (
            f"about {_format_bytes(self.total_bytes)} ({self.images:,} images of {_format_bytes(self.mean_bytes)} on "
            "average)"
        )


def _format_bytes(size: float) -> str:
    return f"{size / GB:.1f} GB" if size >= GB else f"{size / 10**6:.1f} MB"


def estimate_set_size(
    source: Path, images: Sequence[LabeledImage], options: FrameOptions, *, workers: int
) -> SetSize | None:
    """Estimate the size of a set in this frame; None where none of the sampled images can be read."""
    if options.frame == "512":
        return SetSize(len(images), SQUARE_PIXELS * BYTES_PER_PIXEL)
    sample = images[:: max(1, len(images) // SAMPLE)][:SAMPLE]
    work = partial(frame.measure_image, source, options)
    results = run_parallel(work, sample, max(1, min(workers, len(sample))), after_each=lambda _: None)
    areas = [image.sized.size_px for image in results if isinstance(image, MeasuredImage)]
    if not areas:
        return None
    pixels = sum(width * height for width, height in areas)
    return SetSize(len(images), BYTES_PER_PIXEL * pixels / len(areas))


def describe_shortage(size: SetSize, out: Path, options: FrameOptions) -> str | None:
    """Return why the disk of `out` has no room for the set, with what helps; None where it has.

    Frames of an earlier build there are written over, or deleted at its end.
    """
    parent = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    room = shutil.disk_usage(parent).free + sum(path.stat().st_size for path in (out / "images").glob("??/*.png"))
    if size.total_bytes <= room:
        return None
    fitting = room // (BYTES_PER_PIXEL * size.images)
    smaller = f"--max-pixels {fitting}, " if options.frame == "full" and fitting > SQUARE_PIXELS else ""
    square = SetSize(size.images, SQUARE_PIXELS * BYTES_PER_PIXEL).total_bytes
    paper = f"--frame 512 ({_format_bytes(square)}), " if options.frame == "full" and square <= room else ""
    return (
        f"{parent} has room for {_format_bytes(room)} and the set takes {size}: take {smaller}{paper}fewer images, or "
        "another disk with --out"
    )


def refuse_full_disk(size: SetSize, out: Path, options: FrameOptions) -> None:
    """Refuse a set that the disk of `out` has no room for. Raises: BadSettings."""
    if shortage := describe_shortage(size, out, options):
        raise BadSettings(shortage)
