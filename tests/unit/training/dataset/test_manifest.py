from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.labeled_images import build_image
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage


def test_what_was_written_is_read_in_its_order(tmp_path: Path) -> None:
    written = [build_image(3), LabeledImage(file="ä.png", label=Verdict.REAL), build_image(2, boxes=[], explanation="")]
    assert manifest.write_manifest(tmp_path, written) == tmp_path / "manifest.jsonl"
    assert list(manifest.read_manifest(tmp_path)) == written
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]


def test_a_line_holds_what_is_known_alone(tmp_path: Path) -> None:
    image = LabeledImage(file="a.png", label=Verdict.REAL, boxes=[(1, 2, 3, 4)], source=None)
    assert manifest.write_manifest(tmp_path, [image]).read_text() == (
        '{"file":"a.png","label":"real","boxes":[[1,2,3,4]]}\n'
    )


def test_truth_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / manifest.NAME).write_text('{"file": "a.png", "label": "real"}\n')
    (image,) = manifest.read_manifest(tmp_path)
    assert (image.boxes, image.explanations, image.provenance) == (None, None, None)


def test_a_built_set_is_known_by_its_provenance() -> None:
    other = LabeledImage(file="a.png", label=Verdict.REAL)
    assert manifest.is_built([build_image(1), build_image(2)])
    assert not manifest.is_built([build_image(1), other])
    assert not manifest.is_built([])


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="zoomin-train build"):
        list(manifest.read_manifest(tmp_path))
    (tmp_path / manifest.NAME).write_text('{"file": "a.png", "label": "real"}\n{"file": "b.png", "label": "fake"}\n')
    with pytest.raises(BadSettings, match=r"manifest\.jsonl, line 2: label: Input should be 'real' or 'generated'"):
        list(manifest.read_manifest(tmp_path))
    (tmp_path / manifest.NAME).write_text('{"file": "a.png", "label": "real", "provenance": {"sha256": "0"}}\n')
    with pytest.raises(BadSettings, match=r"line 1: provenance\.source_file: Field required; mend it"):
        list(manifest.read_manifest(tmp_path))
    (tmp_path / manifest.NAME).write_bytes(b"\xff\xfe\n")
    with pytest.raises(BadSettings, match=r"manifest\.jsonl, line 1: Invalid JSON"):
        list(manifest.read_manifest(tmp_path))
