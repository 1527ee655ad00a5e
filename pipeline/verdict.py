"""Defines the terms of the domain as types: regions, crops, the two answers and the verdict about one image."""

from dataclasses import dataclass, field
from enum import StrEnum

from PIL import Image


class Verdict(StrEnum):
    """A photograph is real; an image made by a model is generated."""

    REAL = "real"
    GENERATED = "generated"


class Status(StrEnum):
    """The outcome of Query 2."""

    COMPLETE = "complete"  # it saw crops
    UNGROUNDED = "ungrounded"  # it saw the image alone: Query 1 named no usable region
    DEGRADED = "degraded"  # it gave no usable answer: the verdict of Query 1 stands


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """Half-open pixels of the full-size upright image: x1 <= x < x2, y1 <= y < y2.

    Raises: ValueError if the box is empty or a corner is below zero.
    """

    x1: int
    y1: int
    x2: int
    y2: int

    def __post_init__(self) -> None:
        if not (0 <= self.x1 < self.x2 and 0 <= self.y1 < self.y2):
            raise ValueError(f"not a box: {self.corners}")

    @property
    def corners(self) -> tuple[int, int, int, int]:
        return self.x1, self.y1, self.x2, self.y2

    @property
    def width_px(self) -> int:
        return self.x2 - self.x1

    @property
    def height_px(self) -> int:
        return self.y2 - self.y1

    @property
    def area_px(self) -> int:
        return self.width_px * self.height_px


@dataclass(frozen=True, slots=True, eq=False)
class RgbImage:
    """An upright, sRGB, 8-bit image that passed every check.

    `format` is that of the file, and `frames` counts the frames or pages that viewers show of it; the pixels are those
    of number `frame`, from 0. `repaired`: the file is broken, and viewers show it nevertheless.
    """

    pixels: Image.Image
    format: str
    frames: int = 1
    repaired: bool = False
    frame: int = 0

    @property
    def size_px(self) -> tuple[int, int]:
        return self.pixels.size

    @property
    def remarks(self) -> tuple[str, ...]:
        return list_remarks(self.format, self.frames, self.frame, repaired=self.repaired)


def list_remarks(file_format: str, frames: int, frame: int, *, repaired: bool) -> tuple[str, ...]:
    """Return in words what is unusual: the frame of an animation, the page of a TIFF, a repaired file."""
    part = "page" if file_format == "tiff" else "frame"
    return (f"{part} {frame + 1} of {frames}",) * (frames > 1) + ("repaired",) * repaired


@dataclass(frozen=True, slots=True)
class ModelImage:
    """An RGB image in the size that the model sees; two are equal if their `sha256`, of size and RGB bytes, is."""

    pixels: Image.Image = field(compare=False, repr=False)
    sha256: str

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.size


@dataclass(frozen=True, slots=True)
class Crop:
    """A region, cut with a margin from the full-size image and scaled to the crop budget."""

    box: BoundingBox
    image: ModelImage


@dataclass(frozen=True, slots=True)
class GlobalScan:
    """The parsed answer of Query 1. `p_generated` is raw (not calibrated); `regions` are in the model's order."""

    verdict: Verdict
    p_generated: float
    regions: tuple[BoundingBox, ...]
    explanation: str
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class LocalCheck:
    """The parsed answer of Query 2. `p_generated` is raw (not calibrated)."""

    verdict: Verdict
    p_generated: float
    explanation: str
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict to publish, which the calibrated `p_generated` alone decides; `p_generated_raw` is not calibrated."""

    verdict: Verdict
    p_generated: float
    p_generated_raw: float
    uncertain: bool

    @property
    def confidence(self) -> float:
        """The probability of the verdict; below one half is possible if the card's threshold is not one half."""
        return self.p_generated if self.verdict is Verdict.GENERATED else 1 - self.p_generated


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """Scan plus check for one image; `check` is None exactly if Query 2 gave no usable answer.

    Its verdicts are those that the model wrote; `CheckpointCard.decide_inspection` gives the one to publish.
    """

    scan: GlobalScan
    crops: tuple[Crop, ...]
    check: LocalCheck | None

    @property
    def last_answer(self) -> GlobalScan | LocalCheck:
        return self.scan if self.check is None else self.check

    @property
    def corrected(self) -> bool:
        """True if Query 2 overturned Query 1 (the paper's C-Cases)."""
        return self.last_answer.verdict is not self.scan.verdict

    @property
    def status(self) -> Status:
        if self.check is None:
            return Status.DEGRADED
        return Status.COMPLETE if self.crops else Status.UNGROUNDED
