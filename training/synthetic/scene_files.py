"""Write scenes as a labeled set of PNG files."""

import re
from functools import partial
from pathlib import Path

from pipeline import images
from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.dataset.labeled_image import Explanations, LabeledImage
from training.dataset.manifest import NAME, write_manifest
from training.synthetic import album, scenes

UNTRAINED_SEED = 7_000_000
"""the first of the seeds whose scenes validate, calibrate or test, and are trained on nowhere"""


def write_scenes(directory: Path, *, count: int, first_seed: int, workers: int) -> Path:
    """Draw `count` scenes and write them as a set; return the path of the manifest, which is written last."""
    directory.mkdir(parents=True, exist_ok=True)
    seeds = range(first_seed, first_seed + count)
    progress = Progress("scenes", count)
    entries = run_parallel(partial(write_scene, directory), seeds, min(workers, count), after_each=progress.show)
    return write_manifest(directory, entries)


def cache_scenes(cache: Path, *, first_seed: int, count: int, workers: int) -> Path:
    """Return a directory with a set of scenes, which are drawn unless the cache has them."""
    directory = cache / f"scene-files-v{album.VERSION}-{first_seed}-{count}"
    if not (directory / NAME).exists():
        write_scenes(directory, count=count, first_seed=first_seed, workers=workers)
    return directory


def is_held_out(file: str) -> bool:
    """Tell whether the file is a scene that no model may be trained on, by its name."""
    named = re.fullmatch(r"scene-(\d+)\.png", Path(file).name)
    return named is not None and int(named[1]) >= UNTRAINED_SEED


def write_scene(directory: Path, seed: int) -> LabeledImage:
    scene = scenes.draw_scene(seed)
    (directory / scene.file).write_bytes(images.encode_png(scene.image.pixels))
    explanations = Explanations(
        scan=scenes.explain_scan(scene.label, scene.details), check=scenes.explain_check(scene.details)
    )
    return LabeledImage(
        file=scene.file,
        label=scene.label,
        boxes=[box.corners for box in scene.boxes],
        shown=[detail.shown for detail in scene.details],
        explanations=explanations,
    )
