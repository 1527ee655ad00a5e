from pathlib import Path

from training.erasure.exports import find_exports


def test_files_are_searched_by_bytes_below_both_folders(tmp_path: Path) -> None:
    deep = tmp_path / "media" / "export" / "7" / "snapshot.json"
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"\xff\x00 case-1 \xff")
    (tmp_path / "media" / "upload.json").write_text("case-1")
    assert list(find_exports(tmp_path, frozenset({"case-1", "case-2"}))) == [deep]
    assert not list(find_exports(tmp_path, frozenset({"case-3"})))


def test_a_server_that_never_exported_has_no_files(tmp_path: Path) -> None:
    assert not list(find_exports(tmp_path / "missing", frozenset({"case-1"})))
