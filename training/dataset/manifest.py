"""Images with their truth on disk: a directory of files and `manifest.jsonl`, one line an image.

A set that `zoomin-train build` made has a `manifest.parquet` instead, and is read as the same entries.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox, Verdict
from training.dataset import tuples

NAME = "manifest.jsonl"


class Explanations(BaseModel):
    """Reference explanations of Query 1 and Query 2."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scan: str
    check: str


class Entry(BaseModel):
    """The truth about one file; `boxes` are half-open pixels of the full-size image; `shown` says what each holds.

    `origin` names the image that this one was made from, where several were; `split` is there in a built set.
    `source` is what events call the place it came from: a checkpoint may be calibrated for each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str
    label: Verdict
    boxes: list[tuple[int, int, int, int]] = []
    shown: list[str] = []
    explanations: Explanations | None = None
    source: str | None = None
    origin: str = ""
    split: tuples.Split | None = None

    @property
    def regions(self) -> tuple[BoundingBox, ...]:
        return tuple(BoundingBox(*corners) for corners in self.boxes)


def read(directory: Path) -> Iterator[Entry]:
    """Raises: BadSettings when there is no manifest or a line of it cannot be read."""
    path = directory / NAME
    if (directory / tuples.NAME).is_file():
        yield from map(_of_tuple, tuples.read(directory))
        return
    if not path.is_file():
        raise BadSettings(f"no {NAME} in {directory}; make one with `zoomin-train scenes --out {directory}`")
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            yield Entry.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise BadSettings(
                f"{path}, line {number}: {place}{': ' if place else ''}{first['msg']}; mend it"
            ) from error


def _of_tuple(one: tuples.Tuple) -> Entry:
    """One explanation supervises both queries: the paper's E is one for an image."""
    return Entry(
        file=one.file,
        label=one.label,
        boxes=[box.corners for box in one.boxes],
        shown=list(one.shown),
        explanations=Explanations(scan=one.explanation, check=one.explanation) if one.explanation else None,
        source=one.source,
        split=one.split,
    )
