"""A folder of photographs as pairs of frames: which files give some, which are left out and why; and as a set."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pipeline import images
from pipeline.errors import BadSettings
from training.common.progress import Progress
from training.common.spread import run_parallel
from training.dataset import frame, manifest
from training.dataset.labeled_image import Explanations, LabeledImage
from training.dataset.left_out import LeftOut, count_reasons, write_left_out
from training.synthetic import photographs
from training.synthetic.photographs import Pair, Planted

SEED = 0
BATCH = 32
"""files whose frames are in memory at once, besides those that the caller keeps"""
TOO_PLAIN, TWICE = "image_too_plain", "image_twice"


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """What one file gave; `digest` is that of its pixels."""

    name: str
    digest: str
    pairs: tuple[Pair, ...]


def read(directory: Path, count: int, workers: int, left_out: list[LeftOut]) -> Iterator[Photograph]:
    """Photographs below `directory` until they have given `count` frames: of many, the same ones each time.

    A file that gives none is added to `left_out`, and listed on stderr at the end.
    Raises: BadSettings where no file gives any.
    """
    wanted = max(1, count // 2)
    names: dict[str, str] = {}
    given = 0
    for one in _opened(directory, workers):
        if isinstance(one, Photograph) and one.digest in names:
            one = LeftOut(one.name, TWICE, f"the same pixels as {names[one.digest]}")
        if isinstance(one, LeftOut):
            left_out.append(one)
            continue
        names[one.digest] = one.name
        pairs = one.pairs[: wanted - given]
        given += len(pairs)
        yield replace(one, pairs=pairs)
        if given == wanted:
            break
    for one in left_out:
        print(f"left out {one.name}: {one.reason}, {one.detail}", file=sys.stderr)
    counted = ", ".join(f"{n} {reason}" for reason, n in count_reasons(left_out).items()) or "none"
    if not given:
        cure = f"name a folder of photographs of {photographs.LEAST_SIDE_PX} px a side or more"
        raise BadSettings(f"nothing to plant in below {directory} (files left out: {counted}); {cure}")
    print(f"pairs of frames: {given}; photographs: {len(names)}; files left out: {counted}", file=sys.stderr)


def write(out: Path, directory: Path, count: int, workers: int) -> Path:
    """The frames as lossless PNG files with their manifest, whose path is returned; it is written last.

    What was left out is kept beside it.
    """
    out.mkdir(parents=True, exist_ok=True)
    left_out: list[LeftOut] = []
    entries = [
        _write(out, photograph, number, one)
        for photograph in read(directory, count, workers, left_out)
        for number, pair in enumerate(photograph.pairs)
        for one in pair
    ]
    write_left_out(out, left_out)
    return manifest.write_manifest(out, entries)


def _opened(directory: Path, workers: int) -> Iterator[Photograph | LeftOut]:
    files = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    drawn = [files[number] for number in np.random.default_rng(SEED).permutation(len(files))]
    progress = Progress("files opened", len(drawn))
    for start in range(0, len(drawn), BATCH):
        batch = drawn[start : start + BATCH]
        yield from run_parallel(
            partial(_open, directory), batch, min(workers, len(batch)), after_each=partial(_show, progress, start)
        )


def _show(progress: Progress, start: int, done: int) -> None:
    progress.show(start + done)


def _open(directory: Path, file: str) -> Photograph | LeftOut:
    name = file.encode(errors="replace").decode()  # a name that is no UTF-8 can be opened, and neither printed nor kept
    opened = frame.open_untrusted(directory / file, name, least_side_px=photographs.LEAST_SIDE_PX)
    if isinstance(opened, LeftOut):
        return opened
    _, photograph = opened
    pairs = photographs.pairs(photograph)
    if not pairs:
        return LeftOut(name, TOO_PLAIN, "no detail for an artifact to act on, or no room beside black and white")
    return Photograph(name, images.digest_pixels(photograph.pixels), tuple(pairs))


def _write(out: Path, photograph: Photograph, number: int, one: Planted) -> LabeledImage:
    file = f"photo-{photograph.digest[:16]}-{number}-{one.label}.png"
    (out / file).write_bytes(images.encode_png(one.image.pixels))
    return LabeledImage(
        file=file,
        label=one.label,
        boxes=[box.corners for box in one.boxes],
        shown=list(one.shown),
        explanations=Explanations(scan=one.scan_explanation, check=one.check_explanation),
        origin=photograph.name,
    )
