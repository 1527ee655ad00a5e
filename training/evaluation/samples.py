"""Images with their truth, for evaluation: held-out scenes, photographs with injected artifacts, and sets on disk."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np

from pipeline import geometry
from pipeline.decoding.decode import decode
from pipeline.errors import BadSettings, ZoomInError
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.dataset import broken, faults, frame, placement, splits
from training.dataset.labeled_image import LabeledImage, Split
from training.dataset.left_out import LeftOut
from training.synthetic import photo_folder, scenes
from training.synthetic.scenes import Scene, Style

SEED = 0
VALIDATION_SEED = 8_000_000
"""the first of the seeds whose scenes only calibration sees; test scenes begin at `scenes.HELD_OUT_SEED`"""
HELD_OUT = f"held-out scenes (seeds from {scenes.HELD_OUT_SEED:,} on)"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One image with its truth; `file` is its path within its set.

    `reference` is compared with the explanation of Query 2, `reference_scan` with that of a one-turn model. `weight`
    counts the images of the traffic that it stands for; `undrawn`: nobody was asked to draw boxes.
    """

    number: int
    image: RgbImage
    label: Verdict
    annotated: tuple[BoundingBox, ...]
    reference: str | None = None
    source: str | None = None
    reference_scan: str | None = None
    file: str = ""
    weight: float = 1.0
    undrawn: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """The part of a sample that is known before its file is decoded."""

    label: Verdict
    reference: str | None = None
    source: str | None = None
    file: str = ""


def draw_held_out(
    count: int, workers: int, *, first_seed: int = scenes.HELD_OUT_SEED, style: Style = scenes.TRAINED
) -> list[Sample]:
    """Return `count` scenes that no training draws."""
    progress = Progress("held-out scenes", count)
    seeds = range(first_seed, first_seed + count)
    drawn = run_parallel(partial(scenes.draw_scene, style=style), seeds, min(workers, count), after_each=progress.show)
    return convert_scenes(drawn)


def convert_scenes(drawn: Sequence[Scene]) -> list[Sample]:
    """Return samples whose references explain all details of a scene: a missed one costs, as with a set on disk."""
    return [
        Sample(
            number,
            scene.image,
            scene.label,
            scene.boxes,
            scenes.explain_check(scene.details),
            reference_scan=scenes.explain_scan(scene.label, scene.details),
            file=scene.file,
        )
        for number, scene in enumerate(drawn)
    ]


def load_photographs(directory: Path, count: int, workers: int) -> list[Sample]:
    """Return at most `count` frames of photographs in `directory`, in pairs: as they are, and with injected artifacts.

    Raises: BadSettings when no file can be used.
    """
    photographs = photo_folder.read_photographs(directory, count, workers, left_out=[])
    frames = [named for photograph in photographs for named in photograph.frames]
    return [
        Sample(number, f.image, f.label, f.boxes, f.check_explanation, reference_scan=f.scan_explanation, file=file)
        for number, (file, f) in enumerate(frames)
    ]


def open_image(file: Path) -> RgbImage:
    """Decode the file. Raises: ImageRefused, ImageTooLarge, ImageUndecodable, BadSettings, with the file's name."""
    try:
        return decode(file.read_bytes(), max_pixels=broken.MAX_PIXELS)
    except OSError as error:
        raise BadSettings(f"{file} cannot be read ({error.strerror}); repair it, or remove it from the set") from error
    except ZoomInError as error:
        error.detail = f"{file}: {error.detail}; repair it, or remove it from the set"
        raise


class LazySamples(Sequence[Sample]):
    """Samples that are loaded at each access, so that not all are in memory; `loaders` load one each.

    `truths` are those of the samples, known without loading.
    Access raises ImageRefused, ImageTooLarge, ImageUndecodable, BadSettings, with the file's name.
    """

    def __init__(self, loaders: Sequence[Callable[[], Sample]], truths: Sequence[Truth]) -> None:
        self._loaders = loaders
        self.truths = truths

    def __len__(self) -> int:
        return len(self._loaders)

    @overload
    def __getitem__(self, number: int) -> Sample: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Sample]: ...
    def __getitem__(self, number: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(number, slice):
            return LazySamples(self._loaders[number], self.truths[number])
        return self._loaders[number]()


def list_truths(drawn: Sequence[Sample]) -> Sequence[Truth]:
    """Return the truth of each sample; none is loaded for it."""
    if isinstance(drawn, LazySamples):
        return drawn.truths
    return [Truth(sample.label, sample.reference, sample.source, sample.file) for sample in drawn]


def select_samples(drawn: Sequence[Sample], numbers: Iterable[int]) -> LazySamples:
    """Return the samples of these numbers, in this order; none is loaded before it is accessed."""
    chosen, truths = list(numbers), list_truths(drawn)
    return LazySamples([partial(_take, drawn, number) for number in chosen], [truths[number] for number in chosen])


def _take(drawn: Sequence[Sample], number: int) -> Sample:
    return drawn[number]


def bring_into_square(drawn: Sequence[Sample]) -> LazySamples:
    """Return the samples in the paper's frame, the centre square of 512 x 512, with their boxes; not held in memory.

    Images of this size stay as they are, as those of a set that was built in this frame.
    Source: paper appendix C.
    """
    loaders = [partial(_bring_into_square, drawn, number) for number in range(len(drawn))]
    return LazySamples(loaders, list_truths(drawn))


def _bring_into_square(drawn: Sequence[Sample], number: int) -> Sample:
    sample = drawn[number]
    placed = placement.place_in_frame(sample.image.size_px, "512")
    if placed.frame_px == sample.image.size_px:
        return sample
    boxes = (geometry.clip(placed.map_box(box.corners), placed.frame_px) for box in sample.annotated)
    image = replace(sample.image, pixels=frame.render_frame(sample.image.pixels, placed))
    return replace(sample, image=image, annotated=tuple(box for box in boxes if box))


def load_samples(data: Path | None, count: int, workers: int, left_out: list[LeftOut]) -> Sequence[Sample]:
    """Return `count` images of the set in `data`, or held-out scenes when it is None."""
    return read_samples(data, count, left_out=left_out) if data else draw_held_out(count, workers)


def load_validation_samples(data: Path | None, count: int, workers: int, left_out: list[LeftOut]) -> Sequence[Sample]:
    """Return `count` images of the validation split in `data`, or scenes for validation when it is None."""
    if data is None:
        return draw_held_out(count, workers, first_seed=VALIDATION_SEED)
    return read_samples(data, count, split=Split.VALIDATION, left_out=left_out)


def read_samples(
    directory: Path, count: int, *, split: Split = Split.TEST, left_out: list[LeftOut] | None = None
) -> LazySamples:
    """Return at most `count` images of a manifest, in its order; of a larger set, a fixed random draw.

    The first images would be of one class when the manifest is sorted by class. Only images of `split` count in a built
    set. A few broken files are added to `left_out`; without this list one is a fault.
    Raises: BadSettings, with the counts of what cannot be used.
    """
    entries = _draw_entries(directory, count, split)
    if left_out is None:
        faults.refuse_unusable(directory, entries)
    else:
        entries = [entry for entry, _ in faults.open_checked(directory, entries, left_out)]
    return load_lazily(directory, entries)


def load_lazily(directory: Path, entries: Sequence[LabeledImage]) -> LazySamples:
    """Return the samples of these entries of a set, not held in memory."""
    loaders = [partial(_load_sample, directory, number, entry) for number, entry in enumerate(entries)]
    return LazySamples(loaders, [_find_truth(entry) for entry in entries])


def draw_balanced(entries: Sequence[LabeledImage], count: int) -> list[LabeledImage]:
    """Draw `count` entries, always the same, with as many of one class as of the other where there are enough."""
    return [entries[number] for number in choose_balanced([entry.label for entry in entries], count)]


def choose_balanced(labels: Sequence[Verdict], count: int) -> list[int]:
    """Choose the numbers of `count` images in the same way, from the labels of all."""
    rng = np.random.default_rng(SEED)
    ranked: list[tuple[int, int]] = []
    for label in Verdict:
        numbers = [number for number, other in enumerate(labels) if other is label]
        ranked += enumerate(rng.permutation(numbers).tolist())
    return sorted(number for _, number in sorted(ranked)[:count])


def _draw_entries(directory: Path, count: int, split: Split) -> list[LabeledImage]:
    listed = splits.read_split(directory, split)
    if not listed:
        raise BadSettings(f"{directory} holds no image to judge; its manifest has to name some, in split {split}")
    drawn = np.random.default_rng(SEED).permutation(len(listed))[:count]
    return [listed[number] for number in sorted(drawn)]


def _load_sample(directory: Path, number: int, entry: LabeledImage) -> Sample:
    image, truth, explanations = open_image(directory / entry.file), _find_truth(entry), entry.explanations
    return Sample(
        number,
        image,
        truth.label,
        entry.regions,
        truth.reference,
        truth.source,
        explanations.scan if explanations else None,
        truth.file,
        entry.weight,
        entry.boxes is None,
    )


def _find_truth(entry: LabeledImage) -> Truth:
    reference = entry.explanations.check if entry.explanations else None
    return Truth(entry.label, reference, entry.source, entry.file)
