"""Score files in both formats, and a sentence with file, row and cure for each fault."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox
from training.detectors import score_file
from training.detectors.score_file import Score

DIGEST = "ab" * 32


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_file_is_read_by_file_name(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", "file,p_generated", "./a.png,0.25", '"b, c.png",1', "", "a.png,0.25")
    read = score_file.read_scores(path)
    assert (read.key, read.has_boxes) == ("file", False)
    assert read.scores == {"a.png": Score(0.25), "b, c.png": Score(1.0)}


def test_boxes_and_seconds_are_optional_cells(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.csv", "\ufeffsha256,p_generated,boxes,seconds", f'{DIGEST.upper()},0,"[[-1.5, 2, 9.2, 8]]",0.5',
        f"{'cd' * 32},0.5,,",
    )  # fmt: skip
    read = score_file.read_scores(path)
    assert (read.key, read.has_boxes) == ("sha256", True)
    assert read.scores == {DIGEST: Score(0.0, (BoundingBox(0, 2, 10, 8),), 0.5), "cd" * 32: Score(0.5)}


def test_parquet_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    columns = {"file": ["a.png", "b.png"], "p_generated": [0.25, 1], "boxes": [[[1, 2, 3, 4]], []]}
    parquet.write_table(pa.table(columns), path)
    read = score_file.read_scores(path)
    assert read.scores == {"a.png": Score(0.25, (BoundingBox(1, 2, 3, 4),)), "b.png": Score(1.0)}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    scores = {"a, b.png": Score(0.125, (), 0.25), "c.png": Score(1.0)}
    score_file.write_scores(tmp_path / "s.csv", scores.items())
    assert score_file.read_scores(tmp_path / "s.csv").scores == scores


FAULTS = {
    "an unknown column": (["file,p_generatd", "a,1"], "header: 'p_generatd' is no column of a score file; did you"),
    "a column of another kind": (["file,p_generated,label", "a,1,0"], "header: 'label' is no column"),
    "a column twice": (["file,p_generated,p_generated", "a,1,1"], "p_generated stands there twice"),
    "both names": (["file,sha256,p_generated", f"a,{DIGEST},1"], "header: sha256 and file both name the images"),
    "no name": (["p_generated", "1"], "header: a score file needs p_generated, and sha256 or file"),
    "no answers": (["file", "a"], "header: a score file needs p_generated"),
    "nothing": ([""], "header: a score file needs"),
    "no row": (["file,p_generated"], "holds no row"),
    "more than certain": (["file,p_generated", "a,1", "b,1.2"], "line 3: p_generated is '1.2'; write a probability"),
    "not a number": (["file,p_generated", "a,nan"], "line 2: p_generated is 'nan'"),
    "a word": (["file,p_generated", "a,fake"], "line 2: p_generated is 'fake'"),
    "an empty answer": (["file,p_generated", "a,"], "line 2: p_generated is ''; write a probability from 0 to 1, and"),
    "an empty name": (["file,p_generated", " ,1"], "line 2: file is empty"),
    "a short digest": (["sha256,p_generated", "abc,1"], "line 2: sha256 is 'abc'; write the 64"),
    "two answers": (["file,p_generated", "a,1", "a,0.5"], "line 3: a was answered otherwise before; keep one row"),
    "a cell too many": (["file,p_generated", "a,1,2"], "line 2 has 3 cells under 2 columns"),
    "an open quote": (["file,p_generated", '"a,1'], "line 2: unexpected end of data"),
    "an empty box": (["file,p_generated,boxes", 'a,1,"[[5, 5, 5, 9]]"'], "line 2: boxes is '[[5, 5, 5, 9]]'; write"),
    "a box of three": (["file,p_generated,boxes", 'a,1,"[[1, 2, 3]]"'], "line 2: boxes is"),
    "boxes that are no list": (["file,p_generated,boxes", "a,1,7"], "line 2: boxes is '7'"),
    "an endless box": (["file,p_generated,boxes", 'a,1,"[[1, 2, Infinity, 3]]"'], "line 2: boxes is"),
    "time that runs back": (["file,p_generated,seconds", "a,1,-2"], "line 2: seconds is '-2'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_place_and_cure(tmp_path: Path, fault: str) -> None:
    lines, message = FAULTS[fault]
    path = write(tmp_path / "s.csv", *lines)
    with pytest.raises(BadSettings) as refused:
        score_file.read_scores(path)
    assert refused.value.detail.startswith(str(path))
    assert message in refused.value.detail
    assert ";" in refused.value.detail


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"PAR1 and no more"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scores"
    path.write_bytes(content)
    with pytest.raises(BadSettings, match="Parquet"):
        score_file.read_scores(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"s\.csv cannot be read \(No such file or directory\)"):
        score_file.read_scores(tmp_path / "s.csv")


def test_a_row_of_parquet_is_counted_from_one(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    parquet.write_table(pa.table({"file": ["a", "b"], "p_generated": [0.5, None]}), path)
    with pytest.raises(BadSettings, match="row 2: p_generated is None"):
        score_file.read_scores(path)
