"""Read and write score files: another detector's answers, one row for each image, as CSV or Parquet.

`sha256` or `file` names the image and `p_generated` is the answer; `boxes` and `seconds` are optional. A broken file is
refused with the file, the row and the cure.
"""

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox
from training.common.whole_file import write_whole

SHA256, FILE = KEYS = ("sha256", "file")
P_GENERATED, BOXES, SECONDS = "p_generated", "boxes", "seconds"
COLUMNS = (*KEYS, P_GENERATED, BOXES, SECONDS)
_PARQUET = b"PAR1"
_BOX_FORM = "write boxes as [[x1, y1, x2, y2], ...] in pixels of the image, with x1 < x2 and y1 < y2"
Row = tuple[str, Mapping[str, Any]]
"""the place of a row, for messages, and its values by column"""


@dataclass(frozen=True, slots=True)
class Score:
    """A detector's answer about one image; `seconds` is how long it took."""

    p_generated: float
    boxes: tuple[BoundingBox, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreFile:
    """The answers of one file by the image's name or digest, whichever `key` is."""

    path: Path
    key: str
    has_boxes: bool
    scores: Mapping[str, Score]


def read_scores(path: Path) -> ScoreFile:
    """Read a CSV or Parquet file. Raises: BadSettings for the first fault."""
    try:
        with path.open("rb") as stream:
            columns, rows = (_read_parquet if stream.read(4) == _PARQUET else _read_csv)(path)
        key = _find_key(path, columns)
        scores: dict[str, Score] = {}
        for place, row in rows:
            where = f"{path}, {place}"
            name, score = _parse_name(where, key, row.get(key)), _parse_score(where, row)
            if scores.setdefault(name, score) != score:
                raise BadSettings(f"{where}: {name} was answered otherwise before; keep one row for each image")
    except OSError as error:
        raise BadSettings(f"{path} cannot be read ({error.strerror or error}); name a file of scores") from error
    if not scores:
        raise BadSettings(f"{path} holds no row; write one for each image, under the header {key},{P_GENERATED}")
    return ScoreFile(path, key, BOXES in columns, scores)


def write_scores(path: Path, scores: Iterable[tuple[str, Score]]) -> None:
    """Write a CSV of answers without boxes by file name; the file appears whole or not at all."""
    with write_whole(path) as unfinished, unfinished.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((FILE, P_GENERATED, SECONDS))
        for name, score in scores:
            writer.writerow((name, f"{score.p_generated:.8g}", f"{score.seconds:.6f}" if score.seconds else ""))


def _read_csv(path: Path) -> tuple[Sequence[str], Iterator[Row]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path} is neither UTF-8 nor Parquet; save it as CSV in UTF-8") from error
    columns = next(csv.reader(lines[:1]), [])
    return columns, _iterate_csv(path, lines, columns)


def _iterate_csv(path: Path, lines: Sequence[str], columns: Sequence[str]) -> Iterator[Row]:
    reader = csv.reader(lines[1:], strict=True)
    try:
        for cells in reader:
            place = f"line {reader.line_num + 1}"
            if cells and len(cells) != len(columns):
                raise BadSettings(
                    f"{path}, {place} has {len(cells)} cells under {len(columns)} columns; quote cells with commas"
                )
            if cells:
                yield place, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise BadSettings(f"{path}, line {reader.line_num + 1}: {error}; correct the quotes there") from error


def _read_parquet(path: Path) -> tuple[Sequence[str], Iterator[Row]]:
    import pyarrow
    from pyarrow import parquet  # takes a second to load

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadSettings(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}); write it again") from error
    return table.column_names, ((f"row {n}", row) for n, row in enumerate(table.to_pylist(), start=1))


def _find_key(path: Path, columns: Sequence[str]) -> str:
    """Return the column that names the images. Raises: BadSettings for columns that do not fit."""
    for column in columns:
        if column not in COLUMNS:
            close = get_close_matches(column, COLUMNS, n=1)
            advice = f"did you mean {close[0]}?" if close else f"leave it out; there are {', '.join(COLUMNS)}"
            raise BadSettings(f"{path}, header: {column!r} is no column of a score file; {advice}")
        if columns.count(column) > 1:
            raise BadSettings(f"{path}, header: {column} stands there twice; keep one of them")
    keys = [key for key in KEYS if key in columns]
    if len(keys) == 2:
        raise BadSettings(f"{path}, header: {SHA256} and {FILE} both name the images; keep one of them")
    if not keys or P_GENERATED not in columns:
        raise BadSettings(f"{path}, header: a score file needs {P_GENERATED}, and {SHA256} or {FILE}; add what lacks")
    return keys[0]


def _parse_name(where: str, key: str, value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise BadSettings(f"{where}: {key} is empty; name the image")
    if key == FILE:
        return PurePosixPath(text).as_posix()
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise BadSettings(f"{where}: {SHA256} is {text!r}; write the 64 hexadecimal digits of the file's digest")
    return text.lower()


def _parse_score(where: str, row: Mapping[str, Any]) -> Score:
    p_generated = _parse_number(row[P_GENERATED])
    if p_generated is None or not 0 <= p_generated <= 1:
        raise BadSettings(
            f"{where}: {P_GENERATED} is {row[P_GENERATED]!r}; write a probability from 0 to 1, and leave out images "
            "without an answer"
        )
    seconds = _parse_number(row.get(SECONDS))
    if row.get(SECONDS) not in (None, "") and (seconds is None or seconds < 0):
        raise BadSettings(f"{where}: {SECONDS} is {row[SECONDS]!r}; write a number of seconds, or leave the cell empty")
    return Score(p_generated, _parse_boxes(where, row.get(BOXES)), seconds)


def _parse_number(value: object) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parse_boxes(where: str, value: object) -> tuple[BoundingBox, ...]:
    """Parse the boxes of one image; an empty cell is none. Fractions of a pixel are rounded outwards."""
    if value is None or value == "":
        return ()
    try:
        listed: Any = json.loads(value) if isinstance(value, str) else value
        return tuple(_build_box(*corners) for corners in listed)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadSettings(f"{where}: {BOXES} is {value!r}; {_BOX_FORM}") from error


def _build_box(x1: float, y1: float, x2: float, y2: float) -> BoundingBox:
    return BoundingBox(max(0, math.floor(x1)), max(0, math.floor(y1)), math.ceil(x2), math.ceil(y2))
