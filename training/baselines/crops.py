"""Random crops of labeled images with their augmentation: Gaussian blur and JPEG, as CNNSpot has them.

A crop is cut before it is blurred and stored, which takes a fifth of the time; published code augments whole images.
Source: Wang et al. 2020, section 4.1: blur of sigma 0 to 3, JPEG of quality 30 to 100, each with the same probability.
"""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from pipeline.verdict import Verdict
from training.dataset import faults, splits
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation import samples
from training.synthetic import scene_files

MAX_SIGMA = 3.0
QUALITIES = (30, 101)
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """The entries of a set, and their files by class."""

    entries: Sequence[LabeledImage]
    by_label: Mapping[Verdict, Sequence[Path]]


def read_training_images(directory: Path) -> TrainingImages:
    """Read the training split of a set. Raises: BadSettings when a class is too small, or it holds held-out scenes."""
    entries = splits.read_split(directory, Split.TRAIN)
    scene_files.refuse_held_out(directory, entries)
    faults.refuse_one_sided(Counter(entry.label for entry in entries))
    files = {label: [directory / entry.file for entry in entries if entry.label is label] for label in Verdict}
    return TrainingImages(entries, files)


def draw_batch(
    images: TrainingImages, rng: np.random.Generator, *, batch: int, crop_px: int, augmented_fraction: float
) -> tuple[Pixels, npt.NDArray[np.float32]]:
    """Draw the crops of one step, half of each class, and their labels, 1 for generated.

    Shapes: [batch, crop_px, crop_px, 3] and [batch].
    Raises: what decoding an image raises.
    """
    labels = [Verdict.REAL, Verdict.GENERATED] * (batch // 2)
    files = [images.by_label[label][int(rng.integers(len(images.by_label[label])))] for label in labels]
    cut = [cut_crop(samples.open_image(file).pixels, crop_px, rng) for file in files]
    pixels = np.stack([np.asarray(augment(crop, augmented_fraction, rng)) for crop in cut])
    return pixels, np.array([label is Verdict.GENERATED for label in labels], np.float32)


def cut_crop(pixels: Image.Image, side_px: int, rng: np.random.Generator) -> Image.Image:
    """Cut a square at a random place and mirror it at random; a smaller image is enlarged first."""
    short = min(pixels.size)
    if short < side_px:
        width, height = (max(side_px, round(side * side_px / short)) for side in pixels.size)
        pixels = pixels.resize((width, height))
    x, y = (int(rng.integers(0, side - side_px + 1)) for side in pixels.size)
    crop = pixels.crop((x, y, x + side_px, y + side_px))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else crop


def augment(crop: Image.Image, fraction: float, rng: np.random.Generator) -> Image.Image:
    """Blur the crop and store it as JPEG, each with the probability `fraction`."""
    if rng.random() < fraction:
        crop = crop.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, MAX_SIGMA))))
    if rng.random() < fraction:
        stream = io.BytesIO()
        crop.save(stream, "JPEG", quality=int(rng.integers(*QUALITIES)))
        with Image.open(stream) as stored:
            crop = stored.convert("RGB")
    return crop
