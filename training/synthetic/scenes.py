"""Draw procedural scenes whose truth is known: plain ground, decoys, and detail regions that only a crop reveals.

A generated scene has one artifact in each of its regions. `hide_from_view` removes from an artifact what the 140 x 140
view of Query 1 would show of it, so a crop shows it and the view does not. The view does show the tone: the saturation
of a scene is drawn from one of two normal distributions `TONE_CUE` standard deviations apart, which bounds the accuracy
of any classifier of the view alone (see `training.evaluation.metrics.view_bound`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.synthetic import artifacts, textures

SIDE_PX = 512
VIEW_SIDE_PX = 140
TONE_CUE = 1.6
TONE_GAIN = 0.30
TONE_LIMITS = (0.05, 2.2)
GAP_PX = 12
BORDER_PX = 8
REGION_SIDE_PX = (72, 129)
MAX_REGIONS = 3
GRAIN = (2.5, 4.5)
UNTRAINED_SEED = 7_000_000
"""first of the seeds whose scenes validate, calibrate or test, and are trained on nowhere"""
HELD_OUT_SEED = 9_000_000
"""first of the seeds whose scenes only test"""

Floats = npt.NDArray[np.float32]
Paint = Callable[[np.random.Generator, Floats], Floats]


class Kind(StrEnum):
    FABRIC = "fabric"
    FOLIAGE = "foliage"
    LETTERING = "lettering"


class Artifact(StrEnum):
    CHECKERBOARD = "checkerboard"
    SMOOTHED = "smoothed"
    TILES = "tiles"


_TEXTURES = {
    Kind.FABRIC: textures.draw_fabric,
    Kind.FOLIAGE: textures.draw_foliage,
    Kind.LETTERING: textures.draw_lettering,
}
_ARTIFACTS = {
    Artifact.CHECKERBOARD: artifacts.add_checkerboard,
    Artifact.SMOOTHED: artifacts.smooth_detail,
    Artifact.TILES: artifacts.repeat_tile,
}
SHOWN = {
    Artifact.CHECKERBOARD: "a checkerboard residue",
    Artifact.SMOOTHED: "smoothed detail and ringing",
    Artifact.TILES: "repeated tiles and seams",
    None: "natural irregular detail",
}


@dataclass(frozen=True, slots=True)
class Detail:
    """A region worth zooming in; `artifact` is None exactly in a real scene."""

    box: BoundingBox
    kind: Kind
    artifact: Artifact | None

    @property
    def shown(self) -> str:
        """A description of what a crop of it shows."""
        return f"{self.kind} with {SHOWN[self.artifact]}"

    @property
    def place(self) -> str:
        """A description of where it lies in the image."""
        return describe_place(self.box)


def describe_place(box: BoundingBox) -> str:
    """Describe where a box lies in a scene."""
    across = (box.x1 + box.x2) / 2 / SIDE_PX
    down = (box.y1 + box.y2) / 2 / SIDE_PX
    row = "upper" if down < 0.4 else "lower" if down > 0.6 else "middle"
    column = "left" if across < 0.4 else "right" if across > 0.6 else "center"
    return f"{row} {column}"


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One image with its truth, and the name of its file in a set.

    `tone` is the drawn cue in standard deviations, before anything hides it.
    """

    image: RgbImage
    label: Verdict
    details: tuple[Detail, ...]
    tone: float
    file: str

    @property
    def boxes(self) -> tuple[BoundingBox, ...]:
        return tuple(detail.box for detail in self.details)


def _paint_ground(rng: np.random.Generator) -> Floats:
    top, bottom = rng.uniform(70, 200, 3), rng.uniform(60, 180, 3)
    down = np.linspace(0, 1, SIDE_PX, dtype=np.float32)[:, None, None]
    horizon, sharpness = rng.uniform(0.35, 0.7), rng.uniform(8, 40)
    mix = 1 / (1 + np.exp(-(down - horizon) * sharpness))
    canvas = np.broadcast_to(top * (1 - mix) + bottom * mix, (SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    shape = (SIDE_PX, SIDE_PX)
    clouds = textures.draw_smooth_noise(rng, 6, shape, 10) + textures.draw_smooth_noise(rng, 40, shape, 3)
    return canvas + clouds[..., None]


@dataclass(frozen=True, slots=True)
class Style:
    """How scenes look: their ground, and the painter of each artifact in generated ones."""

    ground: Callable[[np.random.Generator], Floats]
    artifacts: Mapping[Artifact, Paint]


TRAINED = Style(_paint_ground, _ARTIFACTS)
"""style of every scene that a model is trained on"""


def draw_scene(seed: int, style: Style = TRAINED) -> Scene:
    """Draw the scene of this seed: even seeds are real, odd ones generated."""
    rng = np.random.default_rng(seed)
    label = Verdict.GENERATED if seed % 2 else Verdict.REAL
    canvas = style.ground(rng)
    for _ in range(rng.integers(0, 4)):
        _paint_decoy(rng, canvas)
    details = tuple(_draw_details(rng, label))
    canvas += hide_from_view(_paint_details(rng, canvas, details, style))[..., None]
    tone = draw_tone(rng, label)
    gray = canvas.mean(2, keepdims=True)
    canvas = gray + (canvas - gray) * np.clip(1 + TONE_GAIN * tone, *TONE_LIMITS)
    canvas += rng.standard_normal((SIDE_PX, SIDE_PX, 1), np.float32) * rng.uniform(*GRAIN)
    pixels = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    return Scene(RgbImage(pixels, "png"), label, details, tone, f"scene-{seed:07d}.png")


def draw_tone(rng: np.random.Generator, label: Verdict) -> float:
    """Draw the cue that a view shows: N(+d'/2, 1) for generated scenes, N(-d'/2, 1) for real ones."""
    return float(rng.normal(TONE_CUE / 2 if label is Verdict.GENERATED else -TONE_CUE / 2, 1))


def explain_scan(label: Verdict, details: tuple[Detail, ...]) -> str:
    """Return the reference explanation of Query 1."""
    tone = "too vivid" if label is Verdict.GENERATED else "balanced"
    return f"The tone looks {tone}; check {', '.join(f'{detail.kind} {detail.place}' for detail in details)}."


def explain_check(seen: tuple[Detail | None, ...]) -> str:
    """Return the reference explanation of Query 2 for crops of these details; None is a crop of plain ground."""
    return describe_crops([detail.shown if detail else None for detail in seen])


def describe_crops(descriptions: Sequence[str | None]) -> str:
    """Describe each crop in one sentence, from the words of `Detail.shown`."""
    if not descriptions:
        return "No crop to check."
    return " ".join(f"Crop {n}: {words or 'plain ground'}." for n, words in enumerate(descriptions, start=1))


def _paint_decoy(rng: np.random.Generator, canvas: Floats) -> None:
    """Paint a plain, softly shaded rectangle or ellipse, which is never worth zooming in."""
    width, height = (int(side) for side in rng.integers(50, 150, 2))
    x, y = int(rng.integers(0, SIDE_PX - width)), int(rng.integers(0, SIDE_PX - height))
    color = rng.uniform(50, 210, 3)
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j][..., None]
    cover = np.clip((1 - (across**2 + down**2)) * 8, 0, 1) if rng.random() < 0.5 else np.ones_like(across)
    patch = canvas[y : y + height, x : x + width]
    patch[:] = patch * (1 - cover) + (color + 18 * across - 12 * down) * cover


def hide_from_view(change: Floats) -> Floats:
    """Remove from a change of brightness what the view shows of it: the view stays the same, a crop differs.

    Each round subtracts what the view's sampling keeps, enlarged to full size. After four rounds the view of a region
    changes by about half a gray level, less than the grain there; untreated, tiles would change it by fourteen.
    """
    for _ in range(4):
        change = change - textures.enlarge(textures.enlarge(change, (VIEW_SIDE_PX, VIEW_SIDE_PX)), change.shape)
    return change


def _draw_details(rng: np.random.Generator, label: Verdict) -> list[Detail]:
    """Draw one to three regions at a distance from each other, from top to bottom as answers list them."""
    details: list[Detail] = []
    wanted = int(rng.integers(1, MAX_REGIONS + 1))
    for _ in range(60):
        if len(details) == wanted:
            break
        box = draw_box(rng)
        if any(are_near(box, other.box) for other in details):
            continue
        kind = list(Kind)[rng.integers(0, len(Kind))]
        artifact = list(Artifact)[rng.integers(0, len(Artifact))] if label is Verdict.GENERATED else None
        details.append(Detail(box, kind, artifact))
    return sorted(details, key=lambda detail: (detail.box.y1, detail.box.x1))


def _paint_details(rng: np.random.Generator, canvas: Floats, details: tuple[Detail, ...], style: Style) -> Floats:
    """Paint all details without artifacts, and return the change of brightness that the artifacts make."""
    change = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    for detail in details:
        box = detail.box
        here = (slice(box.y1, box.y2), slice(box.x1, box.x2))
        color = _draw_distinct_color(rng, canvas[here].mean((0, 1)))
        shape = (box.height_px, box.width_px)
        weave = _TEXTURES[detail.kind](rng, shape) * np.float32(rng.uniform(18, 30))
        brightness = weave + textures.draw_smooth_noise(rng, 4, shape, 6)
        canvas[here] = color + brightness[..., None]
        if detail.artifact:
            change[here] = style.artifacts[detail.artifact](rng, brightness) - brightness
    return change


def draw_box(rng: np.random.Generator) -> BoundingBox:
    """Draw a box of a detail's size inside a scene."""
    width, height = (int(side) for side in rng.integers(*REGION_SIDE_PX, 2))
    x = int(rng.integers(BORDER_PX, SIDE_PX - width - BORDER_PX))
    y = int(rng.integers(BORDER_PX, SIDE_PX - height - BORDER_PX))
    return BoundingBox(x, y, x + width, y + height)


def are_near(a: BoundingBox, b: BoundingBox) -> bool:
    """Return whether two details would lie closer than allowed."""
    apart = a.x1 >= b.x2 + GAP_PX or b.x1 >= a.x2 + GAP_PX or a.y1 >= b.y2 + GAP_PX or b.y1 >= a.y2 + GAP_PX
    return not apart


def _draw_distinct_color(rng: np.random.Generator, ground: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    for _ in range(20):
        color = rng.uniform(60, 200, 3)
        if np.abs(color - ground).max() > 45:
            break
    return color
