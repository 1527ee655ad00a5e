"""Compare what `zoomin decode` shows of files with what is expected of them: `make decode-cases DIR=...`.

The folder holds files, each with its pixels beside it (NAME.expected.png) or with words in the tables of README.md: a
section for each kind, in a row the file's name, what it is, and what is expected, as far as it is stated: a size like
`48 x 32`, the mean of red, green and blue like `[105, 105, 107]`, a format, a number of frames, or codes like
`image_refused`. Exit code 1: a file is decoded otherwise.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
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
SIZE = re.compile(r"(\d+) x (\d+)")
MEAN = re.compile(r"(?:\[|mean )(\d+), (\d+), (\d+)")
Numbers = tuple[int, ...]
Levels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Case:
    """A file with its kind and what is right, each as far as it is stated.

    These are its pixels, their size, their mean, and fields of `zoomin decode --json`; or one of the codes instead.
    """

    file: Path
    kind: str
    pixels: Levels | None
    size: Numbers | None
    mean: Numbers | None
    fields: dict[str, str]
    codes: frozenset[str]

    @property
    def is_picture_stated(self) -> bool:
        return bool(self.size or self.mean or self.fields)

    @property
    def is_stated(self) -> bool:
        return self.is_picture_stated or bool(self.codes)

    @property
    def expected(self) -> str:
        alternatives = [describe(self.size, self.mean, self.fields)] if self.is_picture_stated else []
        return " or ".join(alternatives + sorted(self.codes)) or "not stated"


@dataclass(frozen=True, slots=True)
class Result:
    """`difference` is the largest of a channel, or of the mean of one; None where there is nothing to compare."""

    case: Case
    got: str
    difference: int | None
    is_right: bool

    @property
    def row(self) -> tuple[str, ...]:
        difference = "" if self.difference is None else str(self.difference)
        verdict = "FAULT" if not self.is_right else "ok" if self.case.is_stated else ""
        return self.case.file.name, self.case.kind, self.case.expected, self.got, difference, verdict


def main() -> int:
    parser = argparse.ArgumentParser(prog="make decode-cases", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    cases = read_cases(parser.parse_args().directory)
    if not cases:
        parser.error("the folder holds no file that could be decoded")
    results = decode_cases(cases)
    print_table([("file", "kind", "expected", "got", "difference", ""), *(result.row for result in results)])
    faults = sum(not result.is_right for result in results)
    unstated = sum(not case.is_stated for case in cases)
    counts = f"{len(cases)} files, {faults} faults, nothing stated of {unstated}"
    print(f"{counts}; a channel may differ by {MAX_DIFFERENCE} levels")
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
    size, mean = (find_numbers(SIZE, words), find_numbers(MEAN, words)) if pixels is None else measure(pixels)
    return Case(file, kind, pixels, size, mean, dict(FIELD.findall(words)), frozenset(re.findall(r"image_\w+", words)))


def find_numbers(form: re.Pattern[str], words: str) -> Numbers | None:
    found = form.search(words)
    return tuple(map(int, found.groups())) if found else None


def read_levels(file: Path) -> Levels:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int64)


def measure(levels: Levels) -> tuple[Numbers, Numbers]:
    """Return width and height, and the mean of each channel."""
    height, width, _ = levels.shape
    return (width, height), tuple(levels.mean(axis=(0, 1)).round().astype(int).tolist())


def describe(size: Numbers | None, mean: Numbers | None, fields: Mapping[str, str]) -> str:
    parts = [f"{size[0]} x {size[1]}"] if size else []
    parts += [str(list(mean))] if mean else []
    return ", ".join([*parts, *(f"{name} {value}" for name, value in fields.items())])


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
    size, mean = measure(levels)
    has_size = case.size in (None, size)
    difference = None
    if case.pixels is not None and has_size:
        difference = int(abs(levels - case.pixels).max())
    elif case.mean is not None:
        difference = max(abs(ours - stated) for ours, stated in zip(mean, case.mean, strict=True))
    is_right = has_size and (difference or 0) <= MAX_DIFFERENCE and fields == case.fields
    must_be_refused = bool(case.codes) and not case.is_picture_stated
    return Result(case, describe(size, mean, fields), difference, is_right and not must_be_refused)


if __name__ == "__main__":
    sys.exit(main())
