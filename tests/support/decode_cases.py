"""Compare what `zoomin decode` shows of files with what is expected of them: `make decode-cases DIR=...`.

The folder holds files, each with its pixels beside it (NAME.expected.png) or with words in the tables of README.md: a
section for each kind, in a row the file's name, what it is, and what is expected: codes like `image_refused`, one of
the pictures that `PICTURES` draws, a format, a number of frames. Exit code 1: a file is decoded otherwise, or nothing
states what is right.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.cli.local_files import choose_png_paths

EXPECTED = ".expected.png"
MAX_DIFFERENCE = 2
DECODE_WITHIN_S = 300
FIELD = re.compile(r"(format|frames) (\w+)")
Levels = NDArray[np.int64]


def draw_four_fields() -> Levels:
    fields = np.zeros((32, 48, 3), np.int64)
    fields[:16, :24], fields[:16, 24:], fields[16:, :24] = (200, 40, 40), (40, 180, 60), (50, 70, 200)
    fields[16:, 24:] = (30 + np.arange(24) * 200 // 23)[:, None]
    return fields


def draw_falling_ramp() -> Levels:
    return np.broadcast_to(np.linspace(255, 0, 48).round().astype(np.int64)[:, None], (32, 48, 3))


PICTURES: dict[str, Callable[[], Levels]] = {
    "the four fields": draw_four_fields,
    "white at the left and black at the right": draw_falling_ramp,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A file with its kind and the pixels, the codes and the fields of `zoomin decode --json` that are right."""

    file: Path
    kind: str
    pixels: Levels | None
    codes: frozenset[str]
    fields: dict[str, str]

    @property
    def expected(self) -> str:
        alternatives = ([] if self.pixels is None else [describe_pixels(self.pixels, self.fields)]) + sorted(self.codes)
        return " or ".join(alternatives) or "not stated"


@dataclass(frozen=True, slots=True)
class Result:
    """`difference` is the largest of a channel, None where pixels cannot be compared."""

    case: Case
    got: str
    difference: int | None
    is_right: bool

    @property
    def row(self) -> tuple[str, ...]:
        difference = "" if self.difference is None else str(self.difference)
        case, verdict = self.case, "ok" if self.is_right else "FAULT"
        return case.file.name, case.kind, case.expected, self.got, difference, verdict


def main() -> int:
    parser = argparse.ArgumentParser(prog="make decode-cases", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    cases = read_cases(parser.parse_args().directory)
    if not cases:
        parser.error("the folder holds no file that could be decoded")
    results = decode_cases(cases)
    print_table([("file", "kind", "expected", "got", "difference", ""), *(result.row for result in results)])
    faults = sum(not result.is_right for result in results)
    print(f"{len(cases)} files, {faults} faults; a channel may differ by {MAX_DIFFERENCE} levels")
    return 1 if faults else 0


def print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def read_cases(directory: Path) -> list[Case]:
    """Read the files of a folder with what is expected of each; directories and the README are no cases."""
    rows = read_rows(directory / "README.md")
    files = (file for file in sorted(directory.iterdir()) if file.is_file())
    return [
        build_case(file, *rows.get(file.name, ("", "")))
        for file in files
        if file.name != "README.md" and not file.name.endswith(EXPECTED)
    ]


def read_rows(readme: Path) -> dict[str, tuple[str, str]]:
    """Return kind and expectation of each file that a table of the README names."""
    rows, kind = {}, ""
    for line in readme.read_text().splitlines() if readme.exists() else []:
        kind = line.removeprefix("## ") if line.startswith("## ") else kind
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) > 2:
            rows[cells[0].strip("`")] = kind, cells[2]
    return rows


def build_case(file: Path, kind: str, words: str) -> Case:
    pixels_file = file.with_name(file.name + EXPECTED)
    pixels = read_levels(pixels_file) if pixels_file.exists() else None
    if pixels is None:
        pixels = next((draw() for name, draw in PICTURES.items() if name in words), None)
    return Case(file, kind, pixels, frozenset(re.findall(r"image_\w+", words)), dict(FIELD.findall(words)))


def read_levels(file: Path) -> Levels:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int64)


def describe_pixels(levels: Levels, fields: Mapping[str, object]) -> str:
    height, width, _ = levels.shape
    mean = levels.mean(axis=(0, 1)).round().astype(int).tolist()
    return ", ".join([f"{width} x {height}", str(mean), *(f"{name} {value}" for name, value in fields.items())])


def decode_cases(cases: Sequence[Case]) -> list[Result]:
    """Let the command decode all files at once, and judge what it shows."""
    files = [case.file for case in cases]
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "worker", "decode", "--json", "--out", directory, *map(str, files)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=DECODE_WITHIN_S)
        if ended.returncode not in (0, 1) or ended.stderr:
            sys.exit(ended.stderr)
        pngs = choose_png_paths(files, Path(directory))
        lines = map(json.loads, ended.stdout.splitlines())
        return [judge(case, line, pngs[case.file]) for case, line in zip(cases, lines, strict=True)]


def judge(case: Case, line: Mapping[str, Any], png: Path) -> Result:
    if line["outcome"] == "code":
        return Result(case, line["code"], None, line["code"] in case.codes)
    levels, fields = read_levels(png), {name: str(line[name]) for name in case.fields}
    if case.pixels is None or case.pixels.shape != levels.shape:
        return Result(case, describe_pixels(levels, fields), None, False)
    difference = int(abs(levels - case.pixels).max())
    is_right = difference <= MAX_DIFFERENCE and fields == case.fields
    return Result(case, describe_pixels(levels, fields), difference, is_right)


if __name__ == "__main__":
    sys.exit(main())
