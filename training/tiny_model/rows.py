"""Augmented rows of fine-tuning from album pages: serving's own queries with the true answers.

As in serving, Query 2's row does not hold Query 1's answer.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline import images, prompts
from pipeline.verdict import BoundingBox, ModelImage
from training.dataset import drawn_crops
from training.qwen.tensors import TrainingExample
from training.synthetic import scenes
from training.synthetic.album import Page, Picture
from training.synthetic.scenes import Detail
from training.tiny_model import vocabulary
from training.tiny_model.run_config import Mix

Pixels = npt.NDArray[np.uint8]


def draw_step(
    pages: Sequence[Page], mix: Mix, rng: np.random.Generator
) -> tuple[list[TrainingExample], list[TrainingExample]]:
    """Draw the rows of one step, Query 1 and Query 2, from pages and augmentations drawn by `rng`."""
    scans = [build_scan_example(pages[i], rng) for i in rng.integers(0, len(pages), mix.scans)]
    return scans, [build_check_example(pages[i], rng) for i in rng.integers(0, len(pages), mix.checks)]


def build_scan_example(page: Page, rng: np.random.Generator) -> TrainingExample:
    """Build Query 1 on the view, mirrored at random, answered with the label and all details."""
    view, details = mirror_view(page, across=rng.random() < 0.5, down=rng.random() < 0.5)
    boxes = [vocabulary.round_to_grid(detail.box) for detail in details]
    answer = prompts.render_scan(page.label, boxes, scenes.explain_scan(page.label, details))
    return TrainingExample(prompts.build_global_scan(_build_model_image(view), "thousand"), answer)


def build_check_example(page: Page, rng: np.random.Generator) -> TrainingExample:
    """Build Query 2 on crops like those at a model's boxes: imprecise, some missing, some beside every detail."""
    view, _ = mirror_view(page, across=rng.random() < 0.5, down=rng.random() < 0.5)
    pictures = _choose_crops(page, rng)
    crops = [_build_model_image(flip_randomly(picture.pixels, rng)) for picture in pictures]
    answer = prompts.render_check(page.label, scenes.explain_check(tuple(picture.detail for picture in pictures)))
    return TrainingExample(prompts.build_local_check(_build_model_image(view), crops, "thousand"), answer)


def _build_model_image(pixels: Pixels) -> ModelImage:
    return images.build_model_image(Image.fromarray(pixels))


def mirror_view(page: Page, *, across: bool, down: bool) -> tuple[Pixels, tuple[Detail, ...]]:
    """Mirror the view and its details, and sort the details again from top to bottom."""
    pixels = page.view.pixels[:: -1 if down else 1, :: -1 if across else 1]
    details = [replace(d, box=_mirror_box(d.box, across=across, down=down)) for d in page.details]
    return np.ascontiguousarray(pixels), tuple(sorted(details, key=lambda d: (d.box.y1, d.box.x1)))


def _mirror_box(box: BoundingBox, *, across: bool, down: bool) -> BoundingBox:
    x1, y1, x2, y2 = box.corners
    if across:
        x1, x2 = scenes.SIDE_PX - x2, scenes.SIDE_PX - x1
    if down:
        y1, y2 = scenes.SIDE_PX - y2, scenes.SIDE_PX - y1
    return BoundingBox(x1, y1, x2, y2)


def flip_randomly(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirror and transpose pixels at random, which leaves the kind of an artifact unchanged."""
    flips = rng.random(3) < 0.5
    pixels = pixels[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    return np.ascontiguousarray(pixels.transpose(1, 0, 2) if flips[2] else pixels)


def _choose_crops(page: Page, rng: np.random.Generator) -> list[Picture]:
    return drawn_crops.draw_crops(
        rng,
        len(page.crops),
        lambda number: page.crops[number][rng.integers(0, len(page.crops[number]))],
        lambda: page.stray,
    )
