import json
from pathlib import Path

import pytest

from pipeline import images
from pipeline.decoding.decode import decode
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage, Provenance
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


def test_held_out_scenes_are_refused_also_in_a_set_that_was_built_from_them(tmp_path: Path) -> None:
    trained, held_out = (LabeledImage(file=f"scene-{seed}.png", label=Verdict.REAL) for seed in (6_999_999, 7_000_000))
    scene_files.refuse_held_out(tmp_path, [trained, LabeledImage(file="photo-9000000.png", label=Verdict.REAL)])
    with pytest.raises(BadSettings, match=r"scene-7000000\.png.* `zoomin-train scenes --seed S`, .* below 7000000"):
        scene_files.refuse_held_out(tmp_path, [trained, held_out])
    origin = Provenance(
        sha256="",
        source_file="scenes/scene-9000000.png",
        source_sha256="",
        source_format="png",
        source_width_px=512,
        source_height_px=512,
        source_bytes=1,
        perceptual_hash="",
    )
    built = LabeledImage(file="images/ab/abcd.png", label=Verdict.REAL, provenance=origin)
    with pytest.raises(BadSettings, match=r"held-out scenes \(scene-9000000\.png\)"):
        scene_files.refuse_held_out(tmp_path, [built], first_seed=9_000_000)
