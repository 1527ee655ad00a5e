"""Real photographs with the scenes' artifacts planted where they have detail, so that textures are ones nobody drew.

Each frame of a photograph gives a pair: as it is (real), and with one artifact in each of its regions (generated). The
views of both are the same but for what rounding leaves (a third of a gray level, a few beside pixels that are black or
white), and no tone is planted: who judges the view alone says the same of both and is right once, which is chance. All
that is drawn is drawn from the frame's own pixels: a photograph gives the same pairs wherever it lies.
Shapes: brightness and changes of it are [height, width], pixels [height, width, 3], in gray levels.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image

from pipeline import images
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.synthetic import scenes
from training.synthetic.scenes import SIDE_PX, Artifact, Floats

VERSION = 1  # of what a photograph gives; raise it when pairs change
LEAST_SIDE_PX = 384
"""enlarged by a third at most: more would blur what a real frame is known by"""
MOST_FRAMES = 9
"""the middle and its eight neighbours: one large photograph must not outweigh all others"""
LEAST_DETAIL = 3.0
"""gray levels that the view does not show: without them there is nothing to smooth or to repeat"""
LEAST_CHANGE = 5.0
"""gray levels in each region: pixels that are all black or white have no room for an artifact"""
DRAWN_BOXES = 64
ROUNDS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """A frame with its truth; `artifacts` has one for each box, or None for each where the frame is real."""

    image: RgbImage
    label: Verdict
    boxes: tuple[BoundingBox, ...]
    artifacts: tuple[Artifact | None, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """What a crop of each box shows, in words."""
        return tuple(f"texture with {scenes.SHOWN[artifact]}" for artifact in self.artifacts)

    @property
    def scan_explanation(self) -> str:
        """The reference explanation of Query 1."""
        return f"The view tells nothing; check {', '.join(f'texture {scenes.place(box)}' for box in self.boxes)}."

    @property
    def check_explanation(self) -> str:
        """The reference explanation of Query 2."""
        return scenes.tell_crops(self.shown)


Pair = tuple[Planted, Planted]


def pairs(photograph: RgbImage) -> list[Pair]:
    """Real and generated, of every frame that artifacts can be planted in; none of a photograph that is too small."""
    return [pair for frame in frames(photograph) if (pair := plant(frame))]


def frames(photograph: RgbImage) -> list[RgbImage]:
    """Squares of a scene's size: the middle one and those beside it, the nearest first, none over another."""
    pixels = photograph.pixels
    short = min(pixels.size)
    if short < LEAST_SIDE_PX:
        return []
    if short < SIDE_PX:
        width, height = (round(side * SIDE_PX / short) for side in pixels.size)
        pixels = pixels.resize((width, height), Image.Resampling.BICUBIC)
    across, down = (_tiles(side) for side in pixels.size)
    ordered = sorted(product(down, across), key=lambda tile: (max(abs(tile[0]), abs(tile[1])), tile))
    middle_x, middle_y = ((side - SIDE_PX) // 2 for side in pixels.size)
    corners = [(middle_x + column * SIDE_PX, middle_y + row * SIDE_PX) for row, column in ordered[:MOST_FRAMES]]
    return [RgbImage(pixels.crop((x, y, x + SIDE_PX, y + SIDE_PX)), photograph.format) for x, y in corners]


def _tiles(side_px: int) -> range:
    """Which whole tiles fit in a row whose tile 0 lies in the middle."""
    beside = (side_px - SIDE_PX) // 2 // SIDE_PX
    return range(-beside, beside + 1)


def plant(frame: RgbImage) -> Pair | None:
    """The frame as it is, and with an artifact in each of its regions; None where it has no detail or no room."""
    rng = np.random.default_rng([int(images.digest_pixels(frame.pixels)[:16], 16), VERSION])
    pixels = np.asarray(frame.pixels, np.float32)
    boxes = detailed(rng, pixels.mean(2))
    if not boxes:
        return None
    artifacts = tuple(list(Artifact)[rng.integers(0, len(Artifact))] for _ in boxes)
    change = hidden_change(rng, pixels, boxes, artifacts)
    planted = Image.fromarray(np.clip(np.rint(pixels + change[..., None]), 0, 255).astype(np.uint8))
    changed = (np.asarray(planted, np.float32) - pixels).mean(2)
    if min(float(changed[_within(box)].std()) for box in boxes) < LEAST_CHANGE:
        return None
    return (
        Planted(frame, Verdict.REAL, boxes, (None,) * len(boxes)),
        Planted(RgbImage(planted, frame.format), Verdict.GENERATED, boxes, artifacts),
    )


def detailed(rng: np.random.Generator, brightness: Floats) -> tuple[BoundingBox, ...]:
    """One to three boxes of a detail's size that keep their distance, from top to bottom.

    Of boxes drawn anywhere, those with most detail are taken: the root mean square, within the box, of what the view
    does not show of the brightness (`scenes.beyond_view`), which is what artifacts act on.
    """
    unseen = scenes.beyond_view(brightness) ** 2
    wanted = int(rng.integers(1, scenes.MAX_REGIONS + 1))
    drawn = [scenes.draw_box(rng) for _ in range(DRAWN_BOXES)]
    by_detail = sorted(((float(np.sqrt(unseen[_within(box)].mean())), box) for box in drawn), key=lambda one: -one[0])
    chosen: list[BoundingBox] = []
    for detail, box in by_detail:
        if len(chosen) == wanted or detail < LEAST_DETAIL:
            break
        if not any(scenes.near(box, other) for other in chosen):
            chosen.append(box)
    return tuple(sorted(chosen, key=lambda box: (box.y1, box.x1)))


def hidden_change(
    rng: np.random.Generator, pixels: Floats, boxes: tuple[BoundingBox, ...], artifacts: tuple[Artifact, ...]
) -> Floats:
    """What the artifacts change in brightness, without what the view would show of it.

    Real pixels may be black or white, where a change is cut off and the view would see what is left. So it is fitted
    to the room that pixels have and taken out of the view again, in turn: both hold after a few rounds.
    """
    brightness = pixels.mean(2)
    change = np.zeros_like(brightness)
    for box, artifact in zip(boxes, artifacts, strict=True):
        here = _within(box)
        patch = brightness[here] - brightness[here].mean()
        change[here] = scenes.TRAINED.artifacts[artifact](rng, patch) - patch
    darkest, brightest = pixels.min(2), pixels.max(2)
    change = scenes.beyond_view(change)
    for _ in range(ROUNDS):
        change = scenes.beyond_view(np.clip(change, -darkest, 255 - brightest))
    return change


def _within(box: BoundingBox) -> tuple[slice, slice]:
    return slice(box.y1, box.y2), slice(box.x1, box.x2)
