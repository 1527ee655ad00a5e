"""The results of the ablations of table 1 in `variants.json` beside a checkpoint, each with its origin.

A row is written when its ablation has been evaluated; a row that the file does not hold is not trained yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import BadSettings
from training.common import resampling
from training.common.resampling import Metric
from training.common.whole_file import write_whole
from training.paper import table_1

NAME = "variants.json"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    commit: str
    seed: int | None
    date: str
    start: str
    phases: list[str]
    figures: dict[str, _Value]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: dict[str, _Row]


@dataclass(frozen=True, slots=True)
class AblationResult:
    """The metrics of a row and its training; `start` names the checkpoint it started from, with its weights.

    A checkpoint that was trained elsewhere is itself named by `start`, and its seed is not known.
    """

    figures: Mapping[str, Metric]
    commit: str
    seed: int | None
    date: str
    start: str
    phases: list[str]


def read_results(file: Path) -> dict[str, AblationResult]:
    """Return the results that `file` holds, by row; none when there is no such file.

    Raises: BadSettings when it cannot be read, or names an unknown row or metric.
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
        if name not in table_1.ABLATION_ROWS:
            raise BadSettings(f"{file}: {name} is no training of table 1; correct its name or remove the row")
        if unknown := row.figures.keys() - set(table_1.ALL_COLUMNS):
            raise BadSettings(
                f"{file}: {name} has no figure {min(unknown)}; there are {', '.join(table_1.ALL_COLUMNS)}"
            )
    return {name: _build_result(row) for name, row in rows.items()}


def _build_result(row: _Row) -> AblationResult:
    figures = {name: Metric(value.value, value.low, value.high, value.n) for name, value in row.figures.items()}
    return AblationResult(figures, row.commit, row.seed, row.date, row.start, row.phases)


def write_result(file: Path, name: str, row: AblationResult) -> None:
    """Add or replace one row of the file, which readers see before or after the change, never between.

    Raises: BadSettings when the existing file cannot be read.
    """
    rows = {known: _build_row(result) for known, result in {**read_results(file), name: row}.items()}
    ordered = {known: rows[known] for known in table_1.TITLES if known in rows}
    with write_whole(file) as unfinished:
        unfinished.write_text(_File(rows=ordered).model_dump_json(indent=1) + "\n")


def _build_row(result: AblationResult) -> _Row:
    values = resampling.convert_to_json(result.figures)
    return _Row(
        commit=result.commit,
        seed=result.seed,
        date=result.date,
        start=result.start,
        phases=result.phases,
        figures={name: _Value.model_validate(value) for name, value in values.items()},
    )
