"""Inject the artifacts of scenes into real photographs where they have detail, so that textures are natural.

Each frame of a photograph gives a pair: unchanged (real), and with one artifact in each of its regions (generated). The
views of both are equal except for rounding (a third of a gray level, a few levels beside pixels that are black or
white), and no tone is injected: a classifier of the view alone gives both the same verdict and is at chance. The random
generator is seeded from the frame's own pixels: a photograph gives the same pairs wherever its file lies.
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

VERSION = 1  # of the pairs; raise it when they change
LEAST_SIDE_PX = 384
"""shorter sides would be enlarged by more than a third, which blurs natural detail"""
MOST_FRAMES = 9
"""the middle and its eight neighbours, so that one large photograph does not outweigh the others"""
LEAST_DETAIL = 3.0
"""gray levels that the view does not show; without them there is nothing to smooth or to repeat"""
LEAST_CHANGE = 5.0
"""gray levels in each region; pixels that are all black or white leave no room for an artifact"""
DRAWN_BOXES = 64
ROUNDS = 6


@dataclass(frozen=True, slots=True, eq=False)
class InjectedFrame:
    """A frame with its truth; `artifacts` has one item for each box, which is None in a real frame."""

    image: RgbImage
    label: Verdict
    boxes: tuple[BoundingBox, ...]
    artifacts: tuple[Artifact | None, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """A description of what a crop of each box shows."""
        return tuple(f"texture with {scenes.SHOWN[artifact]}" for artifact in self.artifacts)

    @property
    def scan_explanation(self) -> str:
        """The reference explanation of Query 1."""
        return (
            f"The view tells nothing; check {', '.join(f'texture {scenes.describe_place(box)}' for box in self.boxes)}."
        )

    @property
    def check_explanation(self) -> str:
        """The reference explanation of Query 2."""
        return scenes.describe_crops(self.shown)


Pair = tuple[InjectedFrame, InjectedFrame]


def build_pairs(photograph: RgbImage) -> list[Pair]:
    """Build a pair, real and generated, of each frame that has room for artifacts; none of too small a photograph."""
    return [pair for frame in cut_frames(photograph) if (pair := inject_artifacts(frame))]


def cut_frames(photograph: RgbImage) -> list[RgbImage]:
    """Cut squares of a scene's size: the middle one and its neighbours, the nearest first, without overlap."""
    pixels = photograph.pixels
    short = min(pixels.size)
    if short < LEAST_SIDE_PX:
        return []
    if short < SIDE_PX:
        width, height = (round(side * SIDE_PX / short) for side in pixels.size)
        pixels = pixels.resize((width, height), Image.Resampling.BICUBIC)
    across, down = (_count_tiles(side) for side in pixels.size)
    ordered = sorted(product(down, across), key=lambda tile: (max(abs(tile[0]), abs(tile[1])), tile))
    middle_x, middle_y = ((side - SIDE_PX) // 2 for side in pixels.size)
    corners = [(middle_x + column * SIDE_PX, middle_y + row * SIDE_PX) for row, column in ordered[:MOST_FRAMES]]
    return [RgbImage(pixels.crop((x, y, x + SIDE_PX, y + SIDE_PX)), photograph.format) for x, y in corners]


def _count_tiles(side_px: int) -> range:
    """Return the numbers of the whole tiles in a row whose tile 0 lies in the middle."""
    beside = (side_px - SIDE_PX) // 2 // SIDE_PX
    return range(-beside, beside + 1)


def inject_artifacts(frame: RgbImage) -> Pair | None:
    """Return the frame unchanged and with an artifact in each of its regions; None if it has no detail or no room."""
    rng = np.random.default_rng([int(images.digest_pixels(frame.pixels)[:16], 16), VERSION])
    pixels = np.asarray(frame.pixels, np.float32)
    boxes = find_detailed_boxes(rng, pixels.mean(2))
    if not boxes:
        return None
    artifacts = tuple(list(Artifact)[rng.integers(0, len(Artifact))] for _ in boxes)
    change = compute_hidden_change(rng, pixels, boxes, artifacts)
    injected = Image.fromarray(np.clip(np.rint(pixels + change[..., None]), 0, 255).astype(np.uint8))
    changed = (np.asarray(injected, np.float32) - pixels).mean(2)
    if min(float(changed[_slice(box)].std()) for box in boxes) < LEAST_CHANGE:
        return None
    return (
        InjectedFrame(frame, Verdict.REAL, boxes, (None,) * len(boxes)),
        InjectedFrame(RgbImage(injected, frame.format), Verdict.GENERATED, boxes, artifacts),
    )


def find_detailed_boxes(rng: np.random.Generator, brightness: Floats) -> tuple[BoundingBox, ...]:
    """Find one to three boxes of a detail's size at a distance from each other, from top to bottom.

    Of randomly drawn boxes, those with most detail are chosen. Detail is the root mean square, within the box, of the
    brightness that the view does not show (`scenes.hide_from_view`); artifacts act on it.
    """
    unseen = scenes.hide_from_view(brightness) ** 2
    wanted = int(rng.integers(1, scenes.MAX_REGIONS + 1))
    drawn = [scenes.draw_box(rng) for _ in range(DRAWN_BOXES)]
    by_detail = sorted(
        ((float(np.sqrt(unseen[_slice(box)].mean())), box) for box in drawn), key=lambda ranked: -ranked[0]
    )
    chosen: list[BoundingBox] = []
    for detail, box in by_detail:
        if len(chosen) == wanted or detail < LEAST_DETAIL:
            break
        if not any(scenes.are_near(box, other) for other in chosen):
            chosen.append(box)
    return tuple(sorted(chosen, key=lambda box: (box.y1, box.x1)))


def compute_hidden_change(
    rng: np.random.Generator, pixels: Floats, boxes: tuple[BoundingBox, ...], artifacts: tuple[Artifact, ...]
) -> Floats:
    """Compute the artifacts' change of brightness, without what the view would show of it.

    Where real pixels are black or white a change is clipped, and the view would show the rest. So the change is clipped
    to the range of the pixels and hidden from the view in turn; after a few rounds both conditions hold.
    """
    brightness = pixels.mean(2)
    change = np.zeros_like(brightness)
    for box, artifact in zip(boxes, artifacts, strict=True):
        here = _slice(box)
        patch = brightness[here] - brightness[here].mean()
        change[here] = scenes.TRAINED.artifacts[artifact](rng, patch) - patch
    darkest, brightest = pixels.min(2), pixels.max(2)
    change = scenes.hide_from_view(change)
    for _ in range(ROUNDS):
        change = scenes.hide_from_view(np.clip(change, -darkest, 255 - brightest))
    return change


def _slice(box: BoundingBox) -> tuple[slice, slice]:
    return slice(box.y1, box.y2), slice(box.x1, box.x2)
