"""Scenes as files: a labeled set of PNG images, drawn where it is not on disk yet."""

from functools import partial
from pathlib import Path

from pipeline import images
from training.common.progress import Progress
from training.common.spread import run_parallel
from training.dataset.labeled_image import Explanations, LabeledImage
from training.dataset.manifest import NAME, write_manifest
from training.synthetic import album, scenes


def write_scenes(directory: Path, *, count: int, first_seed: int, workers: int) -> Path:
    """`count` scenes as lossless PNG files with their manifest, whose path is returned; it is written last."""
    directory.mkdir(parents=True, exist_ok=True)
    seeds = range(first_seed, first_seed + count)
    progress = Progress("scenes", count)
    entries = run_parallel(partial(write_scene, directory), seeds, min(workers, count), after_each=progress.show)
    return write_manifest(directory, entries)


def cache_scenes(cache: Path, *, first_seed: int, count: int, workers: int) -> Path:
    """A directory of scenes as files, drawn where they are not there yet; the manifest comes last."""
    directory = cache / f"scene-files-v{album.VERSION}-{first_seed}-{count}"
    if not (directory / NAME).exists():
        write_scenes(directory, count=count, first_seed=first_seed, workers=workers)
    return directory


def write_scene(directory: Path, seed: int) -> LabeledImage:
    scene = scenes.make(seed)
    file = f"scene-{seed:07d}.png"
    (directory / file).write_bytes(images.encode_png(scene.image.pixels))
    explanations = Explanations(
        scan=scenes.explain_scan(scene.label, scene.details), check=scenes.explain_check(scene.details)
    )
    return LabeledImage(
        file=file,
        label=scene.label,
        boxes=[box.corners for box in scene.boxes],
        shown=[detail.shown for detail in scene.details],
        explanations=explanations,
    )
