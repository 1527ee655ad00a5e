"""Write scenes as a labeled set of PNG files."""

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from pipeline import images
from pipeline.errors import BadSettings
from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.dataset.labeled_image import Explanations, LabeledImage
from training.dataset.manifest import NAME, write_manifest
from training.synthetic import album, scenes


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


def refuse_held_out(
    directory: Path, entries: Iterable[LabeledImage], *, first_seed: int = scenes.UNTRAINED_SEED
) -> None:
    """Refuse scenes with seeds from `first_seed` on; images that `zoomin-train build` made are known by their sources.

    Raises: BadSettings.
    """
    for entry in entries:
        file = entry.provenance.source_file if entry.provenance else entry.file
        if _parse_seed(file) >= first_seed:
            raise BadSettings(
                f"{directory} holds held-out scenes ({Path(file).name}), which other commands measure on; draw others "
                f"with `zoomin-train scenes --seed S`, all with seeds below {first_seed}"
            )


def _parse_seed(file: str) -> int:
    """Return the seed in the name of a scene's file, or -1 for other files."""
    named = re.fullmatch(r"scene-(\d+)\.png", Path(file).name)
    return int(named[1]) if named else -1


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
