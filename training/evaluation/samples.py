"""Images to judge with their truth: held-out scenes, photographs with planted artifacts, and sets on disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np

from pipeline import images
from pipeline.errors import BadSettings, ZoomInError
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.common.progress import Progress
from training.common.spread import over_processes
from training.dataset import faults, manifest
from training.dataset.manifest import Entry
from training.dataset.tuples import Split
from training.synthetic import photo_folder, scenes
from training.synthetic.scenes import Scene, Style

SEED = 0
VALIDATION_SEED = 8_000_000
"""the first of the seeds whose scenes only calibration sees; test scenes begin at `scenes.HELD_OUT_SEED`"""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One image to judge, with its truth: references are what explanations are held against.

    `reference` is for Query 2's, `reference_scan` for that of a model which is asked in one turn.
    """

    number: int
    image: RgbImage
    label: Verdict
    annotated: tuple[BoundingBox, ...]
    reference: str | None = None
    source: str | None = None
    reference_scan: str | None = None


def held_out(
    count: int, workers: int, *, first_seed: int = scenes.HELD_OUT_SEED, style: Style = scenes.TRAINED
) -> list[Sample]:
    """`count` scenes that no training draws."""
    progress = Progress("held-out scenes", count)
    seeds = range(first_seed, first_seed + count)
    drawn = over_processes(partial(scenes.make, style=style), seeds, min(workers, count), after_each=progress.show)
    return of_scenes(drawn)


def of_scenes(drawn: Sequence[Scene]) -> list[Sample]:
    """Scenes with the explanation of all their details: what is missed costs, as with a set on disk."""
    return [
        Sample(
            number,
            scene.image,
            scene.label,
            scene.boxes,
            scenes.explain_check(scene.details),
            reference_scan=scenes.explain_scan(scene.label, scene.details),
        )
        for number, scene in enumerate(drawn)
    ]


def of_photographs(directory: Path, count: int, workers: int) -> list[Sample]:
    """At most `count` frames of photographs in `directory`, in pairs: as they are, and with artifacts planted.

    Raises: BadSettings where none can be used.
    """
    planted = [
        one
        for given in photo_folder.read(directory, count, workers, left_out=[])
        for pair in given.pairs
        for one in pair
    ]
    return [
        Sample(number, one.image, one.label, one.boxes, one.check_explanation, reference_scan=one.scan_explanation)
        for number, one in enumerate(planted)
    ]


def opened(file: Path) -> RgbImage:
    """Raises: ImageRefused, ImageTooLarge, ImageUndecodable, BadSettings, each with the file's name."""
    try:
        return images.decode(file.read_bytes(), max_pixels=faults.MAX_PIXELS)
    except OSError as error:
        raise BadSettings(f"{file} cannot be read ({error.strerror}); repair it, or remove it from the set") from error
    except ZoomInError as error:
        error.detail = f"{file}: {error.detail}; repair it, or remove it from the set"
        raise


class OnDisk(Sequence[Sample]):
    """Images that are decoded when they are taken, so that not all are in memory; `takes` are functions that do it.

    Taking one raises ImageRefused, ImageTooLarge, ImageUndecodable, BadSettings, with the file's name.
    """

    def __init__(self, takes: Sequence[Callable[[], Sample]]) -> None:
        self._takes = takes

    def __len__(self) -> int:
        return len(self._takes)

    @overload
    def __getitem__(self, number: int) -> Sample: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Sample]: ...
    def __getitem__(self, number: int | slice) -> Sample | Sequence[Sample]:
        return OnDisk(self._takes[number]) if isinstance(number, slice) else self._takes[number]()


def from_directory(directory: Path, count: int, *, split: Split = Split.TEST) -> list[Sample]:
    """At most `count` images of a manifest, in its order; of more, the same ones each time, drawn from the whole.

    Its first ones would be of one class where it is sorted by class. Of a built set only those of `split` are taken.
    Raises: BadSettings, with the counts of what cannot be used.
    """
    entries = _drawn(directory, count, split)
    return [_of_entry(n, entry, image) for n, (entry, image) in enumerate(faults.checked(directory, entries))]


def on_disk(directory: Path, count: int, *, split: Split = Split.TEST) -> OnDisk:
    """The same, not kept in memory. Raises: BadSettings, with the counts of what cannot be used."""
    entries = _drawn(directory, count, split)
    faults.refuse_unusable(directory, entries)
    return OnDisk([partial(_taken, directory, number, entry) for number, entry in enumerate(entries)])


def _drawn(directory: Path, count: int, split: Split) -> list[Entry]:
    listed = [entry for entry in manifest.read(directory) if entry.split in (None, split)]
    if not listed:
        raise BadSettings(f"{directory} holds no image to judge; its manifest has to name some, in split {split}")
    drawn = np.random.default_rng(SEED).permutation(len(listed))[:count]
    return [listed[number] for number in sorted(drawn)]


def _taken(directory: Path, number: int, entry: Entry) -> Sample:
    return _of_entry(number, entry, opened(directory / entry.file))


def _of_entry(number: int, entry: Entry, image: RgbImage) -> Sample:
    said = entry.explanations
    return Sample(
        number,
        image,
        entry.label,
        entry.regions,
        said.check if said else None,
        entry.source,
        said.scan if said else None,
    )
