from pathlib import Path

from pipeline.verdict import Verdict
from tests.support.labeled_images import build_case_origin, build_image
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.retraining import new_kinds
from training.snapshot.place import DirectoryPlace

DIGEST = "a" * 64


def build_rows() -> list[LabeledImage]:
    """Build a row of the base, one of an old case, and four of new ones, two of which are for tests."""
    rows = [build_image(number, case=build_case_origin() if number else None) for number in range(6)]
    return [row.model_copy(update={"split": Split.TEST}) if number > 3 else row for number, row in enumerate(rows)]


def test_new_are_the_cases_that_the_champions_snapshot_lacks(tmp_path: Path) -> None:
    rows = build_rows()
    (tmp_path / DIGEST).mkdir()
    manifest.write_manifest(tmp_path / DIGEST, rows[:2])
    (tmp_path / "new").mkdir()
    manifest.write_manifest(tmp_path / "new", rows)
    known = new_kinds.read_known_files(DirectoryPlace(tmp_path), DIGEST)
    assert new_kinds.list_new_rows(tmp_path / "new", known) == rows[2:]


def test_without_a_snapshot_of_the_place_every_case_is_new(tmp_path: Path) -> None:
    place = DirectoryPlace(tmp_path)
    assert new_kinds.read_known_files(place, None) == set()
    assert new_kinds.read_known_files(place, DIGEST) == set()


def test_images_are_counted_by_source_and_class_the_largest_source_first() -> None:
    rows = [build_image(0, source=None), *(build_image(number, source="web") for number in range(3))]
    assert new_kinds.count_by_source(rows) == [
        {"source": "web", Verdict.REAL: 2, Verdict.GENERATED: 1},
        {"source": "", Verdict.REAL: 1, Verdict.GENERATED: 0},
    ]


def test_the_test_images_become_a_set_with_the_images_of_the_other(tmp_path: Path) -> None:
    rows, data, out = build_rows(), tmp_path / "data", tmp_path / "night" / "new"
    (data / rows[4].file).parent.mkdir(parents=True)
    (data / rows[4].file).write_bytes(b"pixels")
    for _ in range(2):
        assert new_kinds.write_new_set(out, data, rows[2:]) == 2
    assert list(manifest.read_manifest(out)) == rows[4:]
    assert (out / rows[4].file).read_bytes() == b"pixels"
