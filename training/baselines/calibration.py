"""Calibrate P(generated) of whole images: a network that learned from crops is not calibrated on them.

The images are those that calibrate checkpoints too: scenes of the validation seeds, or the validation split of a set.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from pipeline.checkpoint import Scaling
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.baselines.scoring import Scorer
from training.common.progress import Progress
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation import calibrate, samples
from training.evaluation.metrics import Prediction
from training.synthetic import scenes

SCENES = 200
Loader = Callable[[], tuple[Image.Image, Verdict]]


def list_calibration_images(data: Path | None) -> list[Loader]:
    """Return a loader for each validation scene, or for each image of a set's validation split, which may be empty."""
    if data is None:
        seeds = range(samples.VALIDATION_SEED, samples.VALIDATION_SEED + SCENES)
        return [partial(_draw_scene, seed) for seed in seeds]
    listed = [entry for entry in manifest.read_manifest(data) if entry.split is Split.VALIDATION]
    return [partial(_open_entry, data, entry) for entry in listed]


def _draw_scene(seed: int) -> tuple[Image.Image, Verdict]:
    scene = scenes.draw_scene(seed)
    return scene.image.pixels, scene.label


def _open_entry(data: Path, entry: LabeledImage) -> tuple[Image.Image, Verdict]:
    return samples.open_image(data / entry.file).pixels, entry.label


def fit_whole_images(scorer: Scorer, data: Path | None) -> Scaling:
    """Return the scaling under which the labels are likeliest; none where there are no images or the odds do not rise.

    Raises: what decoding an image raises.
    """
    loaders = list_calibration_images(data)
    progress = Progress("calibrating on whole images", len(loaders))
    unscaled = replace(scorer, scaling=Scaling())
    scored: list[Prediction] = []
    for load in loaders:
        pixels, label = load()
        p_generated = unscaled.score(pixels).p_generated
        scored.append(Prediction(label, None, label, (), (), p_generated_raw=p_generated))
        progress.show(len(scored))
    try:
        return calibrate.fit_scaling(scored, prevalence=None) if scored else Scaling()
    except BadSettings:
        print("P(generated) does not rise with the share of generated images: left uncalibrated", file=sys.stderr)
        return Scaling()
