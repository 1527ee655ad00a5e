from pathlib import Path

import pytest

from pipeline.verdict import Verdict
from tests.support.labeled_images import build_case_origin, build_image
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage
from training.erasure.sets import delete_copies, find_copies
from training.runs.publishing import digest_entries

CASE, OTHER = "case-1", "case-2"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built set with two images of cases and one of the base, and the downloaded cases below it."""
    rows = [
        build_image(1, case=build_case_origin(case_id=CASE)),
        build_image(2, case=build_case_origin(case_id=OTHER)),
        build_image(3),
    ]
    downloads = [LabeledImage(file=f"{name}.png", label=Verdict.REAL) for name in (CASE, OTHER)]
    for directory, images in ((tmp_path, rows), (tmp_path / "cases", downloads)):
        for image in images:
            path = directory / image.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"png")
        manifest.write_manifest(directory, images)
    return tmp_path


def list_pictures(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*.png")}


def test_copies_are_found_by_case_in_the_set_and_in_its_downloads(built: Path) -> None:
    before, rows = list_pictures(built), list(manifest.read_manifest(built))
    copies = list(find_copies(built, frozenset(), frozenset({CASE})))
    assert [len(found.files) for found in copies] == [1, 1]
    assert digest_entries(rows) in copies[0].digests
    for found in copies:
        delete_copies(found)
    assert before - list_pictures(built) == {rows[0].file, f"cases/{CASE}.png"}
    assert [row.file for row in manifest.read_manifest(built)] == [row.file for row in rows[1:]]
    assert [row.file for row in manifest.read_manifest(built / "cases")] == [f"{OTHER}.png"]
    assert not list(find_copies(built, frozenset(), frozenset({CASE})))


def test_a_copy_is_found_by_the_digest_of_its_source(built: Path) -> None:
    row = next(row for row in manifest.read_manifest(built) if row.case is None)
    named = frozenset({row.require_provenance().source_sha256})
    assert built / row.file in {path for found in find_copies(built, named, frozenset()) for path in found.files}


def test_a_kill_between_the_files_and_the_manifest_is_made_good(built: Path) -> None:
    (copies, _) = find_copies(built, frozenset(), frozenset({CASE}))
    copies.files[0].unlink()
    (again, _) = find_copies(built, frozenset(), frozenset({CASE}))
    delete_copies(again)
    assert len(list(manifest.read_manifest(built))) == 2


def test_a_picture_of_a_download_that_was_killed_is_found_without_a_line(built: Path) -> None:
    (built / "cases" / "case-9.png").write_bytes(b"png")
    (copies,) = find_copies(built, frozenset(), frozenset({"case-9"}))
    delete_copies(copies)
    assert not (built / "cases" / "case-9.png").exists()
