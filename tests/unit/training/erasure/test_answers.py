from pathlib import Path

import pytest

from tests.support.labeled_images import build_case_origin, build_image
from training.common.journal import Journal
from training.dataset import manifest
from training.erasure.answers import find_answers, find_journals, shorten_journal
from training.erasure.sets import SetCopies, delete_copies, find_copies

CASE = "case-1"
FORGOTTEN, OTHER = build_image(1, case=build_case_origin(case_id=CASE)), build_image(2)
LEFT_OUT = "5" * 64


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A set with a forgotten image and another one, and answers about both and about one that the build left out."""
    manifest.write_manifest(tmp_path, [FORGOTTEN, OTHER])
    with Journal(tmp_path / "journal.jsonl") as journal:
        for name, digest in (
            ("forgotten", FORGOTTEN.require_provenance().sha256),
            ("other", OTHER.require_provenance().sha256),
            ("left out", LEFT_OUT),
        ):
            journal.put(name, f"It shows the {name} cat.", image=digest)
    return tmp_path


def read_keys(built: Path) -> list[str]:
    with Journal(built / "journal.jsonl") as journal:
        return [key for key in ("forgotten", "other", "left out") if journal.get(key)]


@pytest.mark.parametrize("name", ["journal.jsonl", "annotations.jsonl"])
def test_a_journal_keeps_answers_about_images_that_stay_in_the_set_alone(built: Path, name: str) -> None:
    (built / "journal.jsonl").rename(built / name)
    (journal,) = find_journals(find_copies(built, frozenset(), frozenset({CASE})))
    shorten_journal(journal)
    (built / name).rename(built / "journal.jsonl")
    assert read_keys(built) == ["other"]
    assert "forgotten cat" not in (built / "journal.jsonl").read_text()


def test_an_image_that_lies_among_the_downloads_alone_is_forgotten_too(built: Path) -> None:
    """A build has asked about it and left it out."""
    downloaded = SetCopies(built / "cases", (built / "cases" / f"{CASE}.png",), ())
    (journal,) = find_journals([downloaded])
    shorten_journal(journal)
    assert read_keys(built) == ["forgotten", "other"]


def test_a_set_that_loses_nothing_keeps_its_journal(built: Path) -> None:
    for found in find_copies(built, frozenset(), frozenset({CASE})):
        delete_copies(found)
    assert not list(find_journals(find_copies(built, frozenset(), frozenset({CASE}))))
    (built / "journal.jsonl").unlink()
    copies = SetCopies(built, (built / OTHER.file,), ())
    assert not list(find_journals([copies]))


def test_files_of_answers_are_found_in_each_directory(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for directory in (first, second):
        directory.mkdir()
        (directory / "model-1.jsonl").touch()
        (directory / "report.html").touch()
    found = list(find_answers([first, second, tmp_path / "missing"]))
    assert found == [first / "model-1.jsonl", second / "model-1.jsonl"]
