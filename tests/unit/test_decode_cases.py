"""The comparison of `make decode-cases` finds each way in which a file is decoded otherwise than expected."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.decode_cases import Case, judge, read_cases

README = """# Some files
## A colors
| file | what it is | expected: size, mean RGB |
|---|---|---|
| a.jpg | a photograph | 4 x 2, [9, 9, 9]; format jpeg, frames 1 |
| `b.tif` | no picture | image_refused or image_undecodable |
## B words
| c.tif | fields | 48 x 32, the four fields, or image_refused |
| e.gif | a gray field | gray (mean 9, 9, 9) |
"""


@pytest.fixture
def cases(tmp_path: Path) -> dict[str, Case]:
    (tmp_path / "README.md").write_text(README)
    for name in ("a.jpg", "b.tif", "c.tif", "d.png", "e.gif"):
        (tmp_path / name).write_bytes(b"")
    Image.new("RGB", (4, 2), (9, 9, 9)).save(tmp_path / "a.jpg.expected.png")
    return {case.file.name: case for case in read_cases(tmp_path)}


def is_right(case: Case, level: int = 9, size: tuple[int, int] = (4, 2), **line: Any) -> bool:
    png = case.file.with_name("got.png")
    Image.new("RGB", size, (9, 9, level)).save(png)
    return judge(case, {"outcome": "pixels", "format": "jpeg", "frames": 1} | line, png).is_right


def test_cases_are_read_with_what_is_expected_of_them(cases: dict[str, Case]) -> None:
    assert [(case.file.name, case.kind, case.expected) for case in cases.values()] == [
        ("a.jpg", "A colors", "4 x 2, [9, 9, 9], format jpeg, frames 1"),
        ("b.tif", "A colors", "image_refused or image_undecodable"),
        ("c.tif", "B words", "48 x 32 or image_refused"),
        ("d.png", "", "not stated"),
        ("e.gif", "B words", "[9, 9, 9]"),
    ]


def test_two_levels_of_a_channel_may_differ(cases: dict[str, Case]) -> None:
    assert [is_right(cases["a.jpg"], level) for level in (6, 7, 9, 11, 12)] == [False, True, True, True, False]


@pytest.mark.parametrize(
    "line", [{"size": (2, 4)}, {"format": "mpo"}, {"frames": 2}, {"outcome": "code", "code": "image_refused"}]
)
def test_another_size_format_number_of_frames_or_a_code_is_a_fault(
    cases: dict[str, Case], line: dict[str, Any]
) -> None:
    assert not is_right(cases["a.jpg"], **line)


def test_a_code_is_right_where_the_readme_names_it(cases: dict[str, Case]) -> None:
    codes = ("image_refused", "image_undecodable", "image_too_large")
    assert [is_right(cases["b.tif"], outcome="code", code=code) for code in codes] == [True, True, False]
    assert not is_right(cases["b.tif"])


def test_without_pixels_the_size_and_the_mean_count_as_far_as_they_are_stated(cases: dict[str, Case]) -> None:
    assert [is_right(cases["c.tif"], size=size) for size in ((48, 32), (32, 48), (12, 8))] == [True, False, False]
    assert is_right(cases["c.tif"], outcome="code", code="image_refused")
    assert [is_right(cases["e.gif"], level, size=(5, 5)) for level in (6, 7, 11, 12)] == [False, True, True, False]


def test_a_picture_of_which_nothing_is_stated_is_shown_without_a_verdict(cases: dict[str, Case]) -> None:
    assert is_right(cases["d.png"])
    png = cases["d.png"].file.with_name("got.png")
    assert judge(cases["d.png"], {"outcome": "pixels"}, png).row[-1] == ""
    assert not is_right(cases["d.png"], outcome="code", code="image_refused")
