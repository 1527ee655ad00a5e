"""`variants.json` beside a checkpoint: what the trainings of table 1 came to, with where that comes from.

A row is written when its training has been judged; one that the file does not hold is not trained yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import BadSettings
from training.common import resampling
from training.common.resampling import Metric
from training.paper import variants

NAME = "variants.json"
FIGURES = (*variants.COLUMNS, variants.UNPARSED, variants.IDENTITY_GAP)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    commit: str
    seed: int
    date: str
    start: str
    phases: list[str]
    figures: dict[str, _Value]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: dict[str, _Row]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row's figures as its training left them; `start` names the checkpoint it went out from, with its weights."""

    figures: Mapping[str, Metric]
    commit: str
    seed: int
    date: str
    start: str
    phases: list[str]


def read(file: Path) -> dict[str, Recorded]:
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
        if name not in variants.TRAINED:
            raise BadSettings(f"{file}: {name} is no training of table 1; correct its name or remove the row")
        if unknown := row.figures.keys() - set(FIGURES):
            raise BadSettings(f"{file}: {name} has no figure {min(unknown)}; there are {', '.join(FIGURES)}")
    return {name: _of_row(row) for name, row in rows.items()}


def _of_row(row: _Row) -> Recorded:
    figures = {name: Metric(one.value, one.low, one.high, one.n) for name, one in row.figures.items()}
    return Recorded(figures, row.commit, row.seed, row.date, row.start, row.phases)


def write(file: Path, name: str, row: Recorded) -> None:
    """With one row more, or another in its place; a reader finds the file before or after, never between.

    Raises: BadSettings when the file that is there cannot be read.
    """
    rows = {known: _to_row(one) for known, one in {**read(file), name: row}.items()}
    ordered = {known: rows[known] for known in variants.TITLES if known in rows}
    unfinished = file.with_suffix(".part")
    unfinished.write_text(_File(rows=ordered).model_dump_json(indent=1) + "\n")
    unfinished.replace(file)


def _to_row(one: Recorded) -> _Row:
    values = {name: _Value.model_validate(figure) for name, figure in resampling.convert_to_json(one.figures).items()}
    return _Row(commit=one.commit, seed=one.seed, date=one.date, start=one.start, phases=one.phases, figures=values)
