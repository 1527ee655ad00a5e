"""Frame all images of a source: measure, drop repeats, match the sizes of both classes, and write the frames.

Files are read in processes, one image at a time in each. Where sizes are matched each file is decoded twice, because
the size of an image depends on those of all others.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.dataset import faults, frame
from training.dataset.frame import FramedImage, FrameJob, FrameOptions, MeasuredImage
from training.dataset.labeled_image import LabeledImage
from training.dataset.left_out import LeftOut
from training.dataset.matched_sizes import match_sizes

DUPLICATE = "duplicate"


class DigestedImage(Protocol):
    """An image of a source with a digest that is the same for the same picture."""

    @property
    def image(self) -> LabeledImage: ...

    @property
    def digest(self) -> str: ...


Digested = TypeVar("Digested", bound=DigestedImage)


def frame_images(
    source: Path, out: Path, images: Sequence[LabeledImage], options: FrameOptions, *, workers: int
) -> tuple[list[FramedImage], list[LeftOut]]:
    """Frame the images and write one file for each digest below `out`, or say why an image is left out."""
    jobs, left_out = [FrameJob(image) for image in images], list[LeftOut]()
    if options.match_sizes:
        jobs, left_out = _match(source, images, options, workers)
    progress = Progress("framing", len(jobs))
    work = partial(frame.frame_image, source, out, options)
    results = run_parallel(work, jobs, max(1, min(workers, len(jobs))), after_each=progress.show)
    left_out += [result for result in results if isinstance(result, LeftOut)]
    framed, repeated = drop_repeats([result for result in results if isinstance(result, FramedImage)])
    return framed, left_out + repeated


def _match(
    source: Path, images: Sequence[LabeledImage], options: FrameOptions, workers: int
) -> tuple[list[FrameJob], list[LeftOut]]:
    """Give each image the size that it has in common with the other class; repeats would count twice there."""
    progress = Progress("measuring", len(images))
    work = partial(frame.measure_image, source, options)
    results = run_parallel(work, images, max(1, min(workers, len(images))), after_each=progress.show)
    left_out = [result for result in results if isinstance(result, LeftOut)]
    measured, repeated = drop_repeats([result for result in results if isinstance(result, MeasuredImage)])
    sizes = match_sizes([image.sized for image in measured])
    jobs = [FrameJob(own.image, size) for own, size in zip(measured, sizes, strict=True)]
    return jobs, left_out + repeated


def drop_repeats(found: Sequence[Digested]) -> tuple[list[Digested], list[LeftOut]]:
    """Keep one image of each digest, and none if the labels of a digest contradict each other."""
    by_digest: dict[str, list[Digested]] = defaultdict(list)
    for picture in found:
        by_digest[picture.digest].append(picture)
    unique: list[Digested] = []
    left_out: list[LeftOut] = []
    for same in by_digest.values():
        first, *others = [picture.image for picture in same]
        if any(image.label is not first.label for image in others):
            names = ", ".join(f"{image.file} ({image.label})" for image in (first, *others))
            left_out += [
                LeftOut(image.file, faults.MIXED_LABELS, f"one picture: {names}") for image in (first, *others)
            ]
            continue
        unique.append(same[0])
        left_out += [LeftOut(image.file, DUPLICATE, f"the same picture as {first.file}") for image in others]
    return unique, left_out
