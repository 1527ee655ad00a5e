"""Calibration on whole images: of validation scenes or a set's validation split, and none where it cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pipeline import images
from pipeline.checkpoint import Scaling
from pipeline.verdict import Verdict
from training.baselines import calibration
from training.baselines.scoring import Scorer
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation import samples
from training.synthetic import scenes


class Red(nn.Module):
    """Calls red images generated, but always three units of log-odds too seldom; `sign` -1 turns it round."""

    def __init__(self, sign: int = 1) -> None:
        super().__init__()
        self.sign = sign

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.sign * pixels[:, 0].mean((1, 2)) - 3


def write_set(directory: Path, split: Split | None) -> Path:
    entries = []
    rng = np.random.default_rng(0)
    for number in range(40):
        label = Verdict.GENERATED if number % 2 else Verdict.REAL
        red = int(np.clip(rng.normal(150 if number % 2 else 80, 30), 0, 255))
        file = f"{number}.png"
        (directory / file).write_bytes(images.encode_png(Image.new("RGB", (8, 8), (red, 0, 0))))
        entries.append(LabeledImage(file=file, label=label, split=split))
    manifest.write_manifest(directory, entries)
    return directory


def fit(directory: Path, sign: int = 1) -> Scaling:
    return calibration.fit_whole_images(Scorer(Red(sign), torch.device("cpu"), Scaling(bias=9)), directory)


def test_what_is_called_generated_too_seldom_is_shifted(tmp_path: Path) -> None:
    scaling = fit(write_set(tmp_path, Split.VALIDATION))
    assert 2 < scaling.bias * scaling.temperature < 4


@pytest.mark.parametrize("split", [None, Split.TRAIN])
def test_a_set_without_a_validation_split_leaves_it_uncalibrated(tmp_path: Path, split: Split | None) -> None:
    assert fit(write_set(tmp_path, split)) == Scaling()


def test_odds_that_fall_stay_as_they_are(tmp_path: Path) -> None:
    assert fit(write_set(tmp_path, Split.VALIDATION), sign=-1) == Scaling()


def test_scenes_are_those_that_calibrate_checkpoints() -> None:
    loaders = calibration.list_calibration_images(None)
    pixels, label = loaders[1]()
    assert (len(loaders), label) == (calibration.SCENES, Verdict.GENERATED)
    assert pixels.tobytes() == scenes.draw_scene(samples.VALIDATION_SEED + 1).image.pixels.tobytes()
