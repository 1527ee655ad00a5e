from pathlib import Path

from training.common.journal import Journal, build_key, keep_answers


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


def test_two_may_add_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as first, Journal(path) as second:
        first.put("a", "first")
        second.put("b", "second, which is longer")
        first.put("c", "third")
        assert (first.get("a"), second.get("b"), first.get("c")) == ("first", "second, which is longer", "third")
    with Journal(path) as journal:
        assert (len(journal), journal.get("b")) == (3, "second, which is longer")


def test_an_answer_put_again_counts(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.put("a", "first")
        journal.put("a", "second")
        assert (journal.get("a"), len(journal)) == ("second", 1)


def test_answers_about_other_images_and_about_nobody_knows_which_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        for key, image in (("a", "kept"), ("b", "gone"), ("c", ""), ("d", "kept")):
            journal.put(key, f"about {key}", image=image)
    path.write_bytes(path.read_bytes() + b'{"key": "e", "text": "cut sh')
    keep_answers(path, {"kept", "without answers"})
    assert not [text for text in ("about b", "about c", "cut sh") if text in path.read_text()]
    with Journal(path) as journal:
        assert [journal.get(key) for key in "abcd"] == ["about a", None, None, "about d"]
    assert list(tmp_path.iterdir()) == [path]


def test_keys_know_where_a_part_ends() -> None:
    assert build_key("ab", "c") != build_key("a", "bc")
    assert build_key("ab", "c") == build_key("ab", "c")
