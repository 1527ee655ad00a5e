import json
from pathlib import Path

from pipeline import images
from pipeline.decoding.decode import decode
from pipeline.verdict import Verdict
from training.dataset import manifest
from training.synthetic import scene_files, scenes


def test_a_scene_is_written_with_its_truth(tmp_path: Path) -> None:
    image = scene_files.write_scene(tmp_path, 5)
    scene = scenes.draw_scene(5)
    manifest.write_manifest(tmp_path, [image])
    (read,) = manifest.read_manifest(tmp_path)
    assert read == image
    assert read.regions == scene.boxes
    assert read.label is Verdict.GENERATED
    assert read.shown == [detail.shown for detail in scene.details]
    stored = decode((tmp_path / image.file).read_bytes(), max_pixels=10**6)
    assert images.digest_pixels(stored.pixels) == images.digest_pixels(scene.image.pixels)
    line = json.loads((tmp_path / manifest.NAME).read_text())
    assert list(line) == ["file", "label", "boxes", "shown", "explanations"]
    assert line["explanations"]["check"].startswith("Crop 1: ")


def test_scenes_of_the_cache_are_drawn_once(tmp_path: Path) -> None:
    drawn = scene_files.cache_scenes(tmp_path, first_seed=7, count=2, workers=1)
    listed = list(manifest.read_manifest(drawn))
    assert [image.file for image in listed] == ["scene-0000007.png", "scene-0000008.png"]
    (drawn / listed[0].file).write_bytes(b"")
    assert scene_files.cache_scenes(tmp_path, first_seed=7, count=2, workers=1) == drawn
    assert not (drawn / listed[0].file).read_bytes(), "nothing was drawn again"
