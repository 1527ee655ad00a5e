"""From album pages to SFT rows: the queries that serving asks, with the answers that the truth gives, augmented.

Query 1's answer is not in Query 2's row, as in serving.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline import prompts
from pipeline.verdict import BoundingBox
from training.qwen.tensors import Row
from training.synthetic import scenes
from training.synthetic.album import Page, Picture
from training.synthetic.scenes import Detail
from training.tiny_model import vocabulary

ALL_DETAILS_FRACTION = 0.7
STRAY_FRACTION = 0.25
LOST_FRACTION = 0.04  # none of the crops shows a detail
NO_CROP_FRACTION = 0.02

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Mix:
    """How many rows of each query one step holds."""

    scans: int = 16
    checks: int = 8


STANDARD = Mix()


def draw(pages: Sequence[Page], mix: Mix, rng: np.random.Generator) -> tuple[list[Row], list[Row]]:
    """The rows of one step, Query 1 and Query 2, from pages and augmentations drawn by `rng`."""
    scans = [scan_row(pages[i], rng) for i in rng.integers(0, len(pages), mix.scans)]
    return scans, [check_row(pages[i], rng) for i in rng.integers(0, len(pages), mix.checks)]


def scan_row(page: Page, rng: np.random.Generator) -> Row:
    """Query 1 on the view, mirrored at random, answered with the label and all details."""
    view, details = mirrored_view(page, across=rng.random() < 0.5, down=rng.random() < 0.5)
    boxes = [vocabulary.on_grid(detail.box) for detail in details]
    answer = prompts.render_scan(page.label, boxes, scenes.explain_scan(page.label, details))
    return Row(prompts.global_scan(Image.fromarray(view), "thousand"), answer)


def check_row(page: Page, rng: np.random.Generator) -> Row:
    """Query 2 on crops as a model's boxes would give: imprecise, some missing, some beside every detail."""
    view, _ = mirrored_view(page, across=rng.random() < 0.5, down=rng.random() < 0.5)
    pictures = _choose_crops(page, rng)
    crops = [Image.fromarray(turned(picture.pixels, rng)) for picture in pictures]
    answer = prompts.render_check(page.label, scenes.explain_check(tuple(picture.detail for picture in pictures)))
    return Row(prompts.local_check(Image.fromarray(view), crops, "thousand"), answer)


def mirrored_view(page: Page, *, across: bool, down: bool) -> tuple[Pixels, tuple[Detail, ...]]:
    """The view and its details, mirrored, the details again from top to bottom."""
    pixels = page.view.pixels[:: -1 if down else 1, :: -1 if across else 1]
    details = [replace(d, box=_mirrored(d.box, across=across, down=down)) for d in page.details]
    return np.ascontiguousarray(pixels), tuple(sorted(details, key=lambda d: (d.box.y1, d.box.x1)))


def _mirrored(box: BoundingBox, *, across: bool, down: bool) -> BoundingBox:
    x1, y1, x2, y2 = box.corners
    if across:
        x1, x2 = scenes.SIDE_PX - x2, scenes.SIDE_PX - x1
    if down:
        y1, y2 = scenes.SIDE_PX - y2, scenes.SIDE_PX - y1
    return BoundingBox(x1, y1, x2, y2)


def turned(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Pixels mirrored and transposed at random: an artifact stays what it is."""
    flips = rng.random(3) < 0.5
    pixels = pixels[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    return np.ascontiguousarray(pixels.transpose(1, 0, 2) if flips[2] else pixels)


def _choose_crops(page: Page, rng: np.random.Generator) -> list[Picture]:
    fate = rng.random()
    if fate < NO_CROP_FRACTION:
        return []
    if fate < NO_CROP_FRACTION + LOST_FRACTION:
        return [page.stray]
    order = list(range(len(page.crops)))
    if rng.random() >= ALL_DETAILS_FRACTION:
        rng.shuffle(order)
        order = order[: rng.integers(1, len(order) + 1)]
    chosen = [page.crops[i][rng.integers(0, len(page.crops[i]))] for i in order]
    if rng.random() < STRAY_FRACTION:
        chosen.insert(int(rng.integers(0, len(chosen) + 1)), page.stray)
    return chosen
