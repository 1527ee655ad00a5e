"""Read a folder of photographs as pairs of frames, leave out unsuitable files with reasons, and write a set."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pipeline import images
from pipeline.errors import BadSettings
from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.dataset import manifest
from training.dataset.frame import open_untrusted
from training.dataset.labeled_image import Explanations, LabeledImage
from training.dataset.left_out import LeftOut, count_reasons, write_left_out
from training.synthetic import photographs
from training.synthetic.photographs import InjectedFrame, Pair

SEED = 0
BATCH = 32
"""files whose frames are in memory at once, besides those that the caller holds"""
TOO_PLAIN, TWICE = "image_too_plain", "image_twice"


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """The pairs of frames of one file; `digest` is that of its pixels."""

    name: str
    digest: str
    pairs: tuple[Pair, ...]

    @property
    def frames(self) -> tuple[tuple[str, InjectedFrame], ...]:
        """The frames of all pairs, each with the name of its file in a set."""
        return tuple(
            (f"photo-{self.digest[:16]}-{number}-{frame.label}.png", frame)
            for number, pair in enumerate(self.pairs)
            for frame in pair
        )


def read_photographs(directory: Path, count: int, workers: int, left_out: list[LeftOut]) -> Iterator[Photograph]:
    """Yield photographs below `directory` until they have `count` frames, the same ones each time.

    A file without frames is added to `left_out`, and listed on stderr at the end.
    Raises: BadSettings if no file has any.
    """
    wanted = max(1, count // 2)
    names: dict[str, str] = {}
    found = 0
    for opened in _open_files(directory, workers):
        if isinstance(opened, Photograph) and opened.digest in names:
            opened = LeftOut(opened.name, TWICE, f"the same pixels as {names[opened.digest]}")
        if isinstance(opened, LeftOut):
            left_out.append(opened)
            continue
        names[opened.digest] = opened.name
        pairs = opened.pairs[: wanted - found]
        found += len(pairs)
        yield replace(opened, pairs=pairs)
        if found == wanted:
            break
    for file in left_out:
        print(f"left out {file.name}: {file.reason}, {file.detail}", file=sys.stderr)
    counted = ", ".join(f"{n} {reason}" for reason, n in count_reasons(left_out).items()) or "none"
    if not found:
        advice = f"name a folder of photographs of {photographs.LEAST_SIDE_PX} px a side or more"
        raise BadSettings(f"nothing to inject artifacts into below {directory} (files left out: {counted}); {advice}")
    print(f"pairs of frames: {found}; photographs: {len(names)}; files left out: {counted}", file=sys.stderr)


def write_photographs(out: Path, directory: Path, count: int, workers: int) -> Path:
    """Write the frames as a set of lossless PNG files, and what was left out; return the path of the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    left_out: list[LeftOut] = []
    entries = [
        _write(out, photograph, file, frame)
        for photograph in read_photographs(directory, count, workers, left_out)
        for file, frame in photograph.frames
    ]
    write_left_out(out, left_out)
    return manifest.write_manifest(out, entries)


def _open_files(directory: Path, workers: int) -> Iterator[Photograph | LeftOut]:
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
    name = file.encode(
        errors="replace"
    ).decode()  # a name that is not UTF-8 can be opened, but neither printed nor written
    opened = open_untrusted(directory / file, name, least_side_px=photographs.LEAST_SIDE_PX)
    if isinstance(opened, LeftOut):
        return opened
    _, photograph = opened
    pairs = photographs.build_pairs(photograph)
    if not pairs:
        return LeftOut(name, TOO_PLAIN, "no detail for an artifact to act on, or no room beside black and white")
    return Photograph(name, images.digest_pixels(photograph.pixels), tuple(pairs))


def _write(out: Path, photograph: Photograph, file: str, frame: InjectedFrame) -> LabeledImage:
    (out / file).write_bytes(images.encode_png(frame.image.pixels))
    return LabeledImage(
        file=file,
        label=frame.label,
        boxes=[box.corners for box in frame.boxes],
        shown=list(frame.shown),
        explanations=Explanations(scan=frame.scan_explanation, check=frame.check_explanation),
        origin=photograph.name,
    )
