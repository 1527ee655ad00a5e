from pathlib import Path

import pytest

from pipeline import geometry
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox, Verdict
from tests.support.tuples import PLAIN, tuple_number
from training.dataset import manifest, tuples
from training.dataset.tuples import LeftOut, Split


def test_what_was_written_is_read_in_the_order_of_digests(tmp_path: Path) -> None:
    written = [
        tuple_number(3, split=Split.TEST, boxes=(), shown=(), explanation=""),
        tuple_number(2, boxes=(BoundingBox(0, 0, 5, 5), BoundingBox(1, 2, 3, 4)), shown=("a", "")),
    ]
    assert tuples.write(tmp_path, written) == tmp_path / "manifest.parquet"
    assert list(tuples.read(tmp_path)) == written[::-1]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.parquet"]


def test_crops_are_cut_as_query_2_has_them() -> None:
    assert PLAIN.crop_windows == (geometry.crop_window(PLAIN.boxes[0], (512, 512)),)


def test_a_built_set_is_read_as_any_manifest(tmp_path: Path) -> None:
    tuples.write(tmp_path, [tuple_number(1, split=Split.VALIDATION), tuple_number(2, explanation="")])
    first, second = manifest.read(tmp_path)
    assert (first.file, first.label, first.split) == (tuples.file_of(f"{1:064x}"), Verdict.GENERATED, Split.VALIDATION)
    assert (first.regions, first.source) == (PLAIN.boxes, PLAIN.source)
    assert first.explanations is not None
    assert first.explanations.scan == first.explanations.check == PLAIN.explanation
    assert second.explanations is None


def test_a_broken_manifest_is_one_sentence_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / tuples.NAME).write_bytes(b"PAR1 and nothing more")
    with pytest.raises(BadSettings, match=r"manifest\.parquet is broken \(.*\); build the set again"):
        list(manifest.read(tmp_path))


def test_reasons_are_counted_and_each_file_is_named(tmp_path: Path) -> None:
    left_out = [LeftOut("a", "duplicate", "of b"), LeftOut("ä", "no_label"), LeftOut("c", "no_label")]
    tuples.write_left_out(tmp_path, left_out)
    assert tuples.reasons(left_out) == {"no_label": 2, "duplicate": 1}
    assert (tmp_path / "left_out.jsonl").read_text().splitlines() == [
        '{"name": "a", "reason": "duplicate", "detail": "of b"}',
        '{"name": "ä", "reason": "no_label", "detail": ""}',
        '{"name": "c", "reason": "no_label", "detail": ""}',
    ]
