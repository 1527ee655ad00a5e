from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.labeled_images import EXPLANATION, PROVENANCE, build_image
from training.dataset import manifest, old_sets
from training.dataset.labeled_image import Split


def build_row(number: int, **fields: object) -> dict[str, object]:
    """A row as versions before `manifest.jsonl` wrote it for a built set."""
    digest = f"{number:064x}"
    row = PROVENANCE | {
        "sha256": digest,
        "group": digest,
        "file": f"images/{digest[:2]}/{digest}.png",
        "label": "generated" if number % 2 else "real",
        "split": "train",
        "explanation": EXPLANATION,
        "boxes": [[10, 20, 110, 220]],
        "shown": ["a cup"],
        "crop_windows": [[0, 0, 160, 240]],
        "source": "web",
    }
    return row | fields


def write_rows(directory: Path, *rows: dict[str, object]) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), directory / old_sets.NAME)


def test_an_old_set_is_read_as_the_images_that_a_build_gives_today(tmp_path: Path) -> None:
    write_rows(tmp_path, build_row(1, split="validation"), build_row(2, explanation="", boxes=[], shown=[]))
    first, second = manifest.read_manifest(tmp_path)
    assert first == build_image(1, split=Split.VALIDATION)
    assert second == build_image(2, explanation="", boxes=[], shown=[])
    assert (first.label, second.explanations) == (Verdict.GENERATED, None)
    assert manifest.is_built([first, second])


def test_a_set_without_named_sources_is_read_too(tmp_path: Path) -> None:
    write_rows(tmp_path, build_row(1, source=None))
    (image,) = manifest.read_manifest(tmp_path)
    assert image.source is None


def test_a_set_built_again_is_read_from_its_new_manifest(tmp_path: Path) -> None:
    write_rows(tmp_path, build_row(1))
    manifest.write_manifest(tmp_path, [build_image(2)])
    assert [image.file for image in manifest.read_manifest(tmp_path)] == [build_image(2).file]


def test_a_broken_manifest_is_one_sentence_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / old_sets.NAME).write_bytes(b"PAR1 and nothing more")
    with pytest.raises(BadSettings, match=r"manifest\.parquet is broken \(.*\); build the set again"):
        list(manifest.read_manifest(tmp_path))
