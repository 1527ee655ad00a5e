from pathlib import Path

from training.annotation.journal import Journal, build_key


def test_answers_are_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    with Journal(path) as journal:
        assert journal.get("a") is None
        journal.put("a", "line 1\nline 2 \u201cquoted\u201d")
        assert journal.get("a") == "line 1\nline 2 \u201cquoted\u201d"
    with Journal(path) as journal:
        assert journal.get("a") == "line 1\nline 2 \u201cquoted\u201d"


def test_a_line_cut_short_is_no_answer_and_spoils_no_later_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.put("a", "first")
        journal.put("b", "second")
    path.write_bytes(path.read_bytes()[:-9] + b"\xff")
    with Journal(path) as journal:
        assert (journal.get("a"), journal.get("b")) == ("first", None)
        journal.put("c", "third")
    with Journal(path) as journal:
        assert (journal.get("a"), journal.get("c")) == ("first", "third")


def test_an_answer_is_kept_before_the_journal_is_closed(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.put("a", "first")
        assert '"first"' in (tmp_path / "journal.jsonl").read_text()


def test_keys_know_where_a_part_ends() -> None:
    assert build_key("ab", "c") != build_key("a", "bc")
    assert build_key("ab", "c") == build_key("ab", "c")
