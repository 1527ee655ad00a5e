"""The images of published benchmarks in their own folder layouts: GenImage, MMFR-Dataset and SynthScars.

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
from pipeline.decoding.formats import SUFFIXES
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.dataset import broken
from training.dataset.left_out import LeftOut
from training.evaluation.samples import SEED, LazySamples, Sample, Truth, open_image

GENIMAGE = "<Generator>/val/{ai,nature}/ with images, or as its archives unpack <Generator>/<archive>/val/{ai,nature}/"
MMFR = "evaluation_sets/<generator>/{0_real,1_fake}/ with images, and <generator>_reasoning.json beside or in it"
SYNTHSCARS = (
    "test/images/ and test/annoations/test.json (spelled so; annotations/ is read too), whose entries have file_name, "
    "caption and refs with segmentation"
)


@dataclass(frozen=True, slots=True)
class BenchmarkImage:
    """One file with its truth; each polygon lists x and y in turn, in pixels of the image."""

    file: Path
    label: Verdict
    source: str | None = None
    reference: str | None = None
    polygons: tuple[Sequence[float], ...] = ()


def list_genimage(directory: Path, count: int) -> list[BenchmarkImage]:
    """List `count` images of the validation folders, as many of each generator and class as there are.

    Raises: BadSettings.
    """
    groups = []
    for generator in _list_folders(directory, GENIMAGE):
        validation = _locate_validation(generator)
        for folder, label in (("ai", Verdict.GENERATED), ("nature", Verdict.REAL)):
            files = _list_files(validation / folder, GENIMAGE)
            groups.append([BenchmarkImage(file, label, generator.name) for file in files])
    return _draw_evenly(groups, count)


def list_mmfr(directory: Path, count: int) -> list[BenchmarkImage]:
    """List `count` images of the evaluation sets, as many of each generator and class as there are.

    The reference joins the texts of all attributes of an image in the reasoning file.
    Raises: BadSettings.
    """
    groups = []
    for generator in _list_folders(directory / "evaluation_sets", MMFR):
        reasons = _read_reasons(generator)
        for folder, label in (("0_real", Verdict.REAL), ("1_fake", Verdict.GENERATED)):
            files = _list_files(generator / folder, MMFR)
            groups.append(
                [BenchmarkImage(file, label, generator.name, reasons.get(f"{folder}/{file.name}")) for file in files]
            )
    return _draw_evenly(groups, count)


def list_synthscars(directory: Path, count: int) -> list[BenchmarkImage]:
    """List `count` images of the test split, all generated; an annotated box is the bounds of a polygon.

    Raises: BadSettings.
    """
    folder = directory / "test"
    file = next(
        (f for f in (folder / name / "test.json" for name in ("annoations", "annotations")) if f.is_file()), None
    )
    if file is None or not (folder / "images").is_dir():
        raise _describe_layout(directory, SYNTHSCARS)
    listed = []
    for entry in _read_entries(_read_json(file, SYNTHSCARS)):
        name = entry.get("file_name") or entry.get("img_file_name")
        refs = entry.get("refs")
        if not isinstance(name, str) or not isinstance(refs, list):
            raise BadSettings(f"{file}: an entry without file_name or refs; expected {SYNTHSCARS}")
        polygons = tuple(polygon for ref in refs for polygon in _read_polygons(ref, file))
        caption = entry.get("caption")
        path = _locate_inside(folder / "images", name)
        listed.append(
            BenchmarkImage(path, Verdict.GENERATED, None, caption if isinstance(caption, str) else None, polygons)
        )
    return _draw_evenly([listed], count)


LOADERS: Mapping[str, Callable[[Path, int], list[BenchmarkImage]]] = {
    "genimage": list_genimage,
    "mmfr": list_mmfr,
    "synthscars": list_synthscars,
}


def _locate_validation(generator: Path) -> Path:
    """Return the folder of validation images, which the archives have one level deeper. Raises: BadSettings."""
    direct = generator / "val"
    deeper = [direct] if direct.is_dir() else sorted(path for path in generator.glob("*/val") if path.is_dir())
    if len(deeper) != 1:
        raise _describe_layout(direct, GENIMAGE)
    return deeper[0]


def _list_folders(directory: Path, expected: str) -> list[Path]:
    """List the folders, without those that unpacking leaves. Raises: BadSettings when there are none."""
    paths = directory.iterdir() if directory.is_dir() else ()
    found = sorted(path for path in paths if path.is_dir() and not path.name.startswith((".", "__MACOSX")))
    if not found:
        raise _describe_layout(directory, expected)
    return found


def _list_files(folder: Path, expected: str) -> list[Path]:
    """List the images, without the notes that macOS puts beside each. Raises: BadSettings when there are none."""
    paths = folder.iterdir() if folder.is_dir() else ()
    found = sorted(f for f in paths if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))
    if not found:
        raise _describe_layout(folder, expected)
    return found


def _describe_layout(place: Path, expected: str) -> BadSettings:
    return BadSettings(f"{place} is not laid out as published: expected {expected}")


def _read_reasons(generator: Path) -> dict[str, str]:
    """Return the text of each image by class folder and file name, as paths in the file begin at different folders."""
    name = f"{generator.name}_reasoning.json"
    file = next((f for f in (generator.parent / name, generator / name) if f.is_file()), None)
    if file is None:
        raise _describe_layout(generator.parent / name, MMFR)
    reasons = _read_json(file, MMFR)
    if not isinstance(reasons, dict) or not all(isinstance(texts, dict) for texts in reasons.values()):
        raise BadSettings(f"{file}: expected an object of attributes for each path, each a text or null")
    joined = {
        path: " ".join(text.strip() for text in texts.values() if isinstance(text, str) and text.strip())
        for path, texts in reasons.items()
    }
    return {"/".join(Path(path).parts[-2:]): text for path, text in joined.items() if text}


def _read_entries(content: object) -> Iterable[dict[str, object]]:
    """Yield the entries of a list, of an object by number, or of a list of such objects with one entry each."""
    items = list(content.values()) if isinstance(content, dict) else content if isinstance(content, list) else [None]
    for item in items:
        inner = list(item.values()) if isinstance(item, dict) else []
        entry = inner[0] if len(inner) == 1 and isinstance(inner[0], dict) else item
        if not isinstance(entry, dict):
            raise BadSettings(f"an entry that is no object; expected {SYNTHSCARS}")
        yield entry


def _read_polygons(ref: object, file: Path) -> list[Sequence[float]]:
    content = ref.get("segmentation") if isinstance(ref, dict) else None
    polygons = [content] if isinstance(content, list) and content and not isinstance(content[0], list) else content
    if not isinstance(polygons, list):
        raise BadSettings(f"{file}: a ref without segmentation; expected {SYNTHSCARS}")
    for polygon in polygons:
        numbers = isinstance(polygon, list) and all(isinstance(value, int | float) for value in polygon)
        if not numbers or len(polygon) < 6 or len(polygon) % 2:
            raise BadSettings(f"{file}: a segmentation that is no list of x and y in turn, three points at least")
    return polygons


def _read_json(file: Path, expected: str) -> object:
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise BadSettings(f"{file} is not JSON ({error}); expected {expected}") from error


def _locate_inside(folder: Path, name: str) -> Path:
    """Return the file of this name in `folder`; a path in a published set cannot lead out of it."""
    path = folder / Path(name).name
    if not path.is_file():
        raise _describe_layout(path, SYNTHSCARS)
    return path


def _draw_evenly(groups: Sequence[Sequence[BenchmarkImage]], count: int) -> list[BenchmarkImage]:
    """Draw `count` images in all, one of each group in turn, in a fixed random order of each group."""
    rng = np.random.default_rng(SEED)
    drawn = [[group[number] for number in rng.permutation(len(group))] for group in groups]
    return [listed for round_ in zip_longest(*drawn) for listed in round_ if listed is not None][:count]


def drop_broken(
    drawn: Sequence[BenchmarkImage], *, title: str, workers: int, left_out: list[LeftOut]
) -> list[BenchmarkImage]:
    """Return the images whose files can be read; the others are added to `left_out`."""
    progress = Progress(f"{title}: readable?", len(drawn))
    files = [image.file for image in drawn]
    found = run_parallel(find_fault, files, min(workers, len(files)), after_each=progress.show)
    left_out += [fault for fault in found if fault]
    return [image for image, fault in zip(drawn, found, strict=True) if fault is None]


def find_fault(file: Path) -> LeftOut | None:
    opened = broken.read_image(file, str(file))
    return opened if isinstance(opened, LeftOut) else None


def build_lazy_samples(images: Sequence[BenchmarkImage], directory: Path) -> LazySamples:
    """Return the samples of a benchmark in `directory`, which is the set that their file names are paths in."""
    loaders = [partial(_load_sample, directory, number, image) for number, image in enumerate(images)]
    return LazySamples(loaders, [_find_truth(directory, image) for image in images])


def _load_sample(directory: Path, number: int, listed: BenchmarkImage) -> Sample:
    image = open_image(listed.file)
    bounds = ((min(p[::2]), min(p[1::2]), max(p[::2]), max(p[1::2])) for p in listed.polygons)
    boxes = (geometry.clip(corners, image.size_px) for corners in bounds)
    truth = _find_truth(directory, listed)
    return Sample(
        number, image, truth.label, tuple(box for box in boxes if box), truth.reference, truth.source, file=truth.file
    )


def _find_truth(directory: Path, listed: BenchmarkImage) -> Truth:
    file = listed.file.relative_to(directory).as_posix()
    return Truth(listed.label, listed.reference, listed.source, file)
