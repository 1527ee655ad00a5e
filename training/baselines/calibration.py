"""Calibrate P(generated) of whole images: a network that learned from crops is not calibrated on them.

The images are those that calibrate checkpoints too: scenes of the validation seeds, or the validation split of a set.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from pipeline.checkpoint import Scaling
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.baselines.scoring import Scorer
from training.common.progress import Progress
from training.dataset import manifest
from training.dataset.labeled_image import Split
from training.evaluation import calibrate, samples
from training.evaluation.metrics import Prediction
from training.synthetic import scenes

SCENES = 200
LabeledPixels = tuple[Image.Image, Verdict]


def list_calibration_images(data: Path | None) -> Iterator[LabeledPixels]:
    """Yield validation scenes, or the images of the validation split of a set; a set without one gives none."""
    if data is None:
        for seed in range(samples.VALIDATION_SEED, samples.VALIDATION_SEED + SCENES):
            scene = scenes.draw_scene(seed)
            yield scene.image.pixels, scene.label
        return
    for entry in manifest.read_manifest(data):
        if entry.split is Split.VALIDATION:
            yield samples.open_image(data / entry.file).pixels, entry.label


def fit_whole_images(scorer: Scorer, data: Path | None) -> Scaling:
    """Return the scaling under which the labels are likeliest; none where there are no images or the odds do not rise.

    Raises: what decoding an image raises.
    """
    progress = Progress("calibrating on whole images", SCENES)
    unscaled = replace(scorer, scaling=Scaling())
    scored: list[Prediction] = []
    for pixels, label in list_calibration_images(data):
        p_generated = unscaled.score(pixels).p_generated
        scored.append(Prediction(label, None, label, (), (), p_generated_raw=p_generated))
        progress.show(len(scored))
    try:
        return calibrate.fit_scaling(scored, prevalence=None) if scored else Scaling()
    except BadSettings:
        print("P(generated) does not rise with the share of generated images: left uncalibrated")
        return Scaling()
