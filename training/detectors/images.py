"""Write the images of a report as files that another detector can be run on, each under its name in score files.

A set is a folder of its own, a perturbed copy of the set another one: `scenes/scene-9000000.png` and
`scenes-jpeg_30/scene-9000000.png`. Files of sets on disk are copied byte for byte; all else is written as PNG.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pipeline import images
from pipeline.errors import BadSettings
from training.common.progress import Progress
from training.common.whole_file import write_whole
from training.evaluation.perturbations import Perturb
from training.evaluation.samples import Sample


def name_image(folder: str, file: str) -> str:
    """Return the name of a set's image in score files, from its path in the set."""
    return f"{folder}/{file}"


def name_copy(folder: str, perturbation: str, file: str) -> str:
    """Return the name of the perturbed copy of a set's image."""
    return f"{folder}-{perturbation}/{PurePosixPath(file).with_suffix('.png')}"


def write_images(
    out: Path,
    sets: Mapping[str, Sequence[Sample]],
    directories: Mapping[str, Path],
    copies: Mapping[str, Mapping[str, Perturb]],
) -> None:
    """Write every image, and of the sets that `copies` names their copies too; files with the same bytes stay.

    Raises: BadSettings where another image has the name; what taking a sample raises, which may be decoding it.
    """
    progress = Progress("writing images", sum(len(samples) for samples in sets.values()))
    written = 0
    for folder, samples in sets.items():
        for number in range(len(samples)):
            sample = samples[number]
            _write_image(out / name_image(folder, sample.file), sample, directories.get(folder))
            for name, perturb in copies.get(folder, {}).items():
                _write_copy(out / name_copy(folder, name, sample.file), sample, perturb)
            written += 1
            progress.show(written)


def _write_image(path: Path, sample: Sample, directory: Path | None) -> None:
    _write_file(path, (directory / sample.file).read_bytes() if directory else images.encode_png(sample.image.pixels))


def _write_copy(path: Path, sample: Sample, perturb: Perturb) -> None:
    image, _ = perturb(sample.image, sample.annotated, sample.number)
    _write_file(path, images.encode_png(image.pixels))


def _write_file(path: Path, content: bytes) -> None:
    """Write a file at once, unless it is there. Raises: BadSettings when another one is."""
    if path.exists():
        if path.read_bytes() != content:
            raise BadSettings(
                f"{path} is another image than this set has under the name, and scores would be about that one; "
                "name an empty folder with --out"
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as unfinished:
        unfinished.write_bytes(content)
