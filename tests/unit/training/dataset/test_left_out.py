from pathlib import Path

from training.dataset.left_out import LeftOut, count_reasons, read_left_out, write_left_out


def test_reasons_are_counted_and_each_file_is_named(tmp_path: Path) -> None:
    left_out = [LeftOut("a", "duplicate", "of b"), LeftOut("ä", "no_label"), LeftOut("c", "no_label")]
    write_left_out(tmp_path, left_out)
    assert count_reasons(left_out) == {"no_label": 2, "duplicate": 1}
    assert (tmp_path / "left_out.jsonl").read_text().splitlines() == [
        '{"name": "a", "reason": "duplicate", "detail": "of b"}',
        '{"name": "ä", "reason": "no_label", "detail": ""}',
        '{"name": "c", "reason": "no_label", "detail": ""}',
    ]
    assert read_left_out(tmp_path) == left_out


def test_a_directory_without_the_file_left_nothing_out(tmp_path: Path) -> None:
    assert read_left_out(tmp_path) == []
