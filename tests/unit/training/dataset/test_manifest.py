import json
from pathlib import Path

import pytest

from pipeline import images
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.dataset import manifest
from training.synthetic import scene_files, scenes


def test_a_scene_is_written_with_its_truth(tmp_path: Path) -> None:
    entry = manifest._write_scene(tmp_path, 5)
    scene = scenes.make(5)
    (tmp_path / manifest.NAME).write_text(entry.model_dump_json() + "\n")
    (read,) = manifest.read(tmp_path)
    assert read == entry
    assert read.regions == scene.boxes
    assert read.label is Verdict.GENERATED
    assert read.shown == [detail.shown for detail in scene.details]
    kept = images.decode((tmp_path / entry.file).read_bytes(), max_pixels=10**6)
    assert images.digest(kept.pixels) == images.digest(scene.image.pixels)
    line = json.loads((tmp_path / manifest.NAME).read_text())
    assert line["explanations"]["check"].startswith("Crop 1: ")


def test_truth_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / manifest.NAME).write_text('{"file": "a.png", "label": "real"}\n')
    (entry,) = manifest.read(tmp_path)
    assert (entry.boxes, entry.explanations) == ([], None)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="zoomin-train scenes --out"):
        list(manifest.read(tmp_path))
    (tmp_path / manifest.NAME).write_text('{"file": "a.png", "label": "real"}\n{"file": "b.png", "label": "fake"}\n')
    with pytest.raises(BadSettings, match=r"manifest\.jsonl, line 2: label: Input should be 'real' or 'generated'"):
        list(manifest.read(tmp_path))
    (tmp_path / manifest.NAME).write_bytes(b"\xff\xfe\n")
    with pytest.raises(BadSettings, match=r"manifest\.jsonl, line 1: Invalid JSON"):
        list(manifest.read(tmp_path))


def test_scenes_of_the_cache_are_drawn_once(tmp_path: Path) -> None:
    drawn = scene_files.cached_scenes(tmp_path, first_seed=7, count=2, workers=1)
    entries = list(manifest.read(drawn))
    assert [entry.file for entry in entries] == ["scene-0000007.png", "scene-0000008.png"]
    (drawn / entries[0].file).write_bytes(b"")
    assert scene_files.cached_scenes(tmp_path, first_seed=7, count=2, workers=1) == drawn
    assert not (drawn / entries[0].file).read_bytes(), "nothing was drawn again"
