"""The paper's other test sets as they are published: GenImage, MMFR-Dataset and SynthScars.

Source: paper table 2. A folder of another layout is refused with what was expected there.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np

from pipeline import geometry
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.evaluation.samples import SEED, OnDisk, Sample, opened

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"}
GENIMAGE = "<Generator>/val/{ai,nature}/ with images"
MMFR = "evaluation_sets/<generator>/{0_real,1_fake}/ with images, and <generator>_reasoning.json beside or in it"
SYNTHSCARS = (
    "test/images/ and test/annoations/test.json (spelled so; annotations/ is read too), whose entries have file_name, "
    "caption and refs with segmentation"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One file with its truth; `polygons` are lists of x, y in turn, pixels of the image."""

    file: Path
    label: Verdict
    source: str | None = None
    reference: str | None = None
    polygons: tuple[Sequence[float], ...] = ()


def genimage(directory: Path, count: int) -> list[Listed]:
    """`count` images of the validation folders, as many of each generator and class as there are.

    Raises: BadSettings.
    """
    groups = []
    for generator in _folders(directory, GENIMAGE):
        for folder, label in (("ai", Verdict.GENERATED), ("nature", Verdict.REAL)):
            files = _files(generator / "val" / folder, GENIMAGE)
            groups.append([Listed(file, label, generator.name) for file in files])
    return _evenly(groups, count)


def mmfr(directory: Path, count: int) -> list[Listed]:
    """`count` images of the evaluation sets, as many of each generator and class as there are.

    The reference is what the reasoning file says of an image, attribute by attribute.
    Raises: BadSettings.
    """
    groups = []
    for generator in _folders(directory / "evaluation_sets", MMFR):
        reasons = _reasons(generator)
        for folder, label in (("0_real", Verdict.REAL), ("1_fake", Verdict.GENERATED)):
            files = _files(generator / folder, MMFR)
            groups.append([Listed(file, label, generator.name, reasons.get(f"{folder}/{file.name}")) for file in files])
    return _evenly(groups, count)


def synthscars(directory: Path, count: int) -> list[Listed]:
    """`count` images of the test split, all generated; an annotated box is the bounds of a polygon.

    Raises: BadSettings.
    """
    folder = directory / "test"
    file = next(
        (f for f in (folder / name / "test.json" for name in ("annoations", "annotations")) if f.is_file()), None
    )
    if file is None or not (folder / "images").is_dir():
        raise _differs(directory, SYNTHSCARS)
    listed = []
    for entry in _entries(_json(file, SYNTHSCARS)):
        name = entry.get("file_name") or entry.get("img_file_name")
        refs = entry.get("refs")
        if not isinstance(name, str) or not isinstance(refs, list):
            raise BadSettings(f"{file}: an entry without file_name or refs; expected {SYNTHSCARS}")
        polygons = tuple(polygon for ref in refs for polygon in _polygons(ref, file))
        caption = entry.get("caption")
        path = _inside(folder / "images", name)
        listed.append(Listed(path, Verdict.GENERATED, None, caption if isinstance(caption, str) else None, polygons))
    return _evenly([listed], count)


LOADERS: Mapping[str, Callable[[Path, int], list[Listed]]] = {
    "genimage": genimage,
    "mmfr": mmfr,
    "synthscars": synthscars,
}


def _folders(directory: Path, expected: str) -> list[Path]:
    found = sorted(path for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
    if not found:
        raise _differs(directory, expected)
    return found


def _files(folder: Path, expected: str) -> list[Path]:
    found = sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise _differs(folder, expected)
    return found


def _differs(place: Path, expected: str) -> BadSettings:
    return BadSettings(f"{place} is not laid out as published: expected {expected}")


def _reasons(generator: Path) -> dict[str, str]:
    """What is said of each image, by class folder and file name: paths there begin at different places."""
    name = f"{generator.name}_reasoning.json"
    file = next((f for f in (generator.parent / name, generator / name) if f.is_file()), None)
    if file is None:
        raise _differs(generator.parent / name, MMFR)
    told = _json(file, MMFR)
    if not isinstance(told, dict) or not all(isinstance(said, dict) for said in told.values()):
        raise BadSettings(f"{file}: expected an object of attributes for each path, each a text or null")
    texts = {
        path: " ".join(text.strip() for text in said.values() if isinstance(text, str) and text.strip())
        for path, said in told.items()
    }
    return {"/".join(Path(path).parts[-2:]): text for path, text in texts.items() if text}


def _entries(told: object) -> Iterable[dict[str, object]]:
    """Entries as a list, as an object by number, or as a list of such objects with one entry each."""
    listed = list(told.values()) if isinstance(told, dict) else told if isinstance(told, list) else [None]
    for one in listed:
        inner = list(one.values()) if isinstance(one, dict) else []
        entry = inner[0] if len(inner) == 1 and isinstance(inner[0], dict) else one
        if not isinstance(entry, dict):
            raise BadSettings(f"an entry that is no object; expected {SYNTHSCARS}")
        yield entry


def _polygons(ref: object, file: Path) -> list[Sequence[float]]:
    told = ref.get("segmentation") if isinstance(ref, dict) else None
    polygons = [told] if isinstance(told, list) and told and not isinstance(told[0], list) else told
    if not isinstance(polygons, list):
        raise BadSettings(f"{file}: a ref without segmentation; expected {SYNTHSCARS}")
    for polygon in polygons:
        numbers = isinstance(polygon, list) and all(isinstance(value, int | float) for value in polygon)
        if not numbers or len(polygon) < 6 or len(polygon) % 2:
            raise BadSettings(f"{file}: a segmentation that is no list of x and y in turn, three points at least")
    return polygons


def _json(file: Path, expected: str) -> object:
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise BadSettings(f"{file} is not JSON ({error}); expected {expected}") from error


def _inside(folder: Path, name: str) -> Path:
    """A file of `folder`: names in a set that came from elsewhere lead nowhere else."""
    path = folder / Path(name).name
    if not path.is_file():
        raise _differs(path, SYNTHSCARS)
    return path


def _evenly(groups: Sequence[Sequence[Listed]], count: int) -> list[Listed]:
    """`count` in all, one of each group in turn, drawn from the whole of it, the same ones each time."""
    rng = np.random.default_rng(SEED)
    drawn = [[group[number] for number in rng.permutation(len(group))] for group in groups]
    return [one for turn in zip_longest(*drawn) for one in turn if one is not None][:count]


def on_disk(listed: Sequence[Listed]) -> OnDisk:
    return OnDisk([partial(_sample, number, one) for number, one in enumerate(listed)])


def _sample(number: int, one: Listed) -> Sample:
    image = opened(one.file)
    bounds = ((min(p[::2]), min(p[1::2]), max(p[::2]), max(p[1::2])) for p in one.polygons)
    boxes = (geometry.clip(corners, image.size_px) for corners in bounds)
    return Sample(number, image, one.label, tuple(box for box in boxes if box), one.reference, one.source)
