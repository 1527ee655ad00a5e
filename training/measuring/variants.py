"""The rows of the paper's table 1: which are other questions to one checkpoint, and which are other trainings.

Questions are asked live, by other `choose` functions. Trainings are read from `variants.json`, where whoever trained
them keeps their figures; a row that it does not hold is not trained yet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import geometry, images
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox
from training.measuring.evaluate import Pass
from training.measuring.metrics import Judged
from training.measuring.resampling import Figure
from training.measuring.samples import Sample

NAME = "variants.json"
TITLES: Mapping[str, str] = {
    "base": "Base (untrained)",
    "sft": "SFT alone",
    "one_turn_e": "E (one turn, explanation)",
    "one_turn_eg": "E+G (one turn, explanation and boxes)",
    "verdict_only": "Verdict Only (one turn)",
    "no_bleu": "No BLEU Reward",
    "dual_verdict": "Dual Verdict Reward",
    "two_turn": "ZoomIn (two turns)",
    "random_crops": "Random Cropping",
    "largest_4": "Largest 4 Boxes",
    "largest_3": "Largest 3 Boxes",
}
COLUMNS = ("acc", "i_acc", "c_acc", "c_cases", "bleu1", "bleu2", "rouge_l", "iou")
OWN, RANDOM = "two_turn", "random_crops"


def random_crops(seed: int) -> geometry.Choose:
    """As many boxes as the model's own and as large, anywhere in the image; none where it names none."""

    def choose(regions: Sequence[BoundingBox], size: geometry.Size, max_crops: int) -> Sequence[BoundingBox]:
        rng = np.random.default_rng(seed)
        return [_anywhere(rng, box, size) for box in geometry.zoomable(regions, size, max_crops)]

    return choose


def _anywhere(rng: np.random.Generator, box: BoundingBox, size: geometry.Size) -> BoundingBox:
    x = int(rng.integers(0, size[0] - box.width_px + 1))
    y = int(rng.integers(0, size[1] - box.height_px + 1))
    return BoundingBox(x, y, x + box.width_px, y + box.height_px)


def largest(limit: int) -> geometry.Choose:
    """The model's own boxes, of more than `limit` the largest ones, in the model's order."""

    def choose(regions: Sequence[BoundingBox], size: geometry.Size, max_crops: int) -> Sequence[BoundingBox]:
        boxes = geometry.zoomable(regions, size, max_crops)
        by_area = sorted(range(len(boxes)), key=lambda number: -boxes[number].area_px)
        return [boxes[number] for number in sorted(by_area[:limit])]

    return choose


def _by_digest(sample: Sample) -> geometry.Choose:
    """An image's random boxes hang on its pixels alone, not on its place in a set."""
    return random_crops(int(images.digest(sample.image.pixels)[:16], 16))


QUESTIONS: Mapping[str, Callable[[Sample], geometry.Choose]] = {
    OWN: lambda _sample: geometry.zoomable,
    RANDOM: _by_digest,
    "largest_4": lambda _sample: largest(4),
    "largest_3": lambda _sample: largest(3),
}
PASSES: Mapping[str, Pass] = {name: Pass(choose) for name, choose in QUESTIONS.items()}


def enlarged(name: str, samples: Sequence[Sample], judged: Sequence[Judged], max_crops: int) -> list[Judged]:
    """With the boxes that Query 2 saw under this row in place of those that the model named."""
    choose = QUESTIONS[name]
    return [
        replace(one, regions=tuple(choose(sample)(one.regions, sample.image.size_px, max_crops)))
        for sample, one in zip(samples, judged, strict=True)
    ]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int


class _Recorded(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    commit: str
    seed: int
    date: str
    figures: dict[str, _Value]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: dict[str, _Recorded]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row's figures as its training left them."""

    figures: Mapping[str, Figure]
    commit: str
    seed: int
    date: str


def recorded(file: Path) -> dict[str, Recorded]:
    """The trainings that `file` holds, by row; none where there is no such file.

    Raises: BadSettings when it cannot be read or names a row or a figure that there is not.
    """
    if not file.is_file():
        return {}
    try:
        rows = _File.model_validate_json(file.read_bytes()).rows
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadSettings(f"{file}: {place}: {first['msg']}; correct it or remove the file") from error
    for name, row in rows.items():
        if name not in TITLES or name in QUESTIONS:
            raise BadSettings(f"{file}: {name} is no training of table 1; correct its name or remove the row")
        if unknown := row.figures.keys() - set(COLUMNS) - {"identity_gap"}:
            raise BadSettings(f"{file}: {name} has no figure {min(unknown)}; there are {', '.join(COLUMNS)}")
    return {name: _row(row) for name, row in rows.items()}


def _row(row: _Recorded) -> Recorded:
    figures = {name: Figure(one.value, one.low, one.high, one.n) for name, one in row.figures.items()}
    return Recorded(figures, row.commit, row.seed, row.date)
