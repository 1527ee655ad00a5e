"""Scenes as files: a labeled set of PNG images, drawn where it is not on disk yet."""

from functools import partial
from pathlib import Path

from pipeline import images
from training.common.progress import Progress
from training.common.spread import over_processes
from training.dataset.manifest import NAME, Entry, Explanations
from training.synthetic import album, scenes


def write_scenes(directory: Path, *, count: int, first_seed: int, workers: int) -> Path:
    """`count` scenes as lossless PNG files with their manifest, whose path is returned; it is written last."""
    directory.mkdir(parents=True, exist_ok=True)
    seeds = range(first_seed, first_seed + count)
    progress = Progress("scenes", count)
    entries = over_processes(partial(_write_scene, directory), seeds, min(workers, count), after_each=progress.show)
    path = directory / NAME
    path.write_text("".join(entry.model_dump_json(exclude_unset=True) + "\n" for entry in entries))
    return path


def cached_scenes(cache: Path, *, first_seed: int, count: int, workers: int) -> Path:
    """A directory of scenes as files, drawn where they are not there yet; the manifest comes last."""
    directory = cache / f"scene-files-v{album.VERSION}-{first_seed}-{count}"
    if not (directory / NAME).exists():
        write_scenes(directory, count=count, first_seed=first_seed, workers=workers)
    return directory


def _write_scene(directory: Path, seed: int) -> Entry:
    scene = scenes.make(seed)
    file = f"scene-{seed:07d}.png"
    (directory / file).write_bytes(images.png(scene.image.pixels))
    explanations = Explanations(
        scan=scenes.explain_scan(scene.label, scene.details), check=scenes.explain_check(scene.details)
    )
    return Entry(
        file=file,
        label=scene.label,
        boxes=[box.corners for box in scene.boxes],
        shown=[detail.shown for detail in scene.details],
        explanations=explanations,
    )
