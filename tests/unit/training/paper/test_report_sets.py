from pathlib import Path

import pytest
from PIL import Image

from pipeline import images
from pipeline.errors import BadSettings
from training.paper.report_sets import SetOptions, collect_sets
from training.synthetic import scene_files, scenes


def test_scenes_are_known_from_their_files_too(tmp_path: Path) -> None:
    scene_files.write_scenes(tmp_path / "scenes", count=4, first_seed=scenes.HELD_OUT_SEED, workers=1)
    sets = collect_sets(SetOptions(tmp_path / "scenes", 3, None, {}, 1, None), workers=1)
    assert (sets.name, sets.title, len(sets.samples), sets.contamination) == ("scenes", "scenes", 3, None)


def test_what_was_trained_on_is_left_out_of_published_sets_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tmp_path / "trained"
    scene_files.write_scenes(trained, count=2, first_seed=scenes.HELD_OUT_SEED, workers=1)
    for number, folder in enumerate(("ai", "nature")):
        place = tmp_path / "genimage" / "ADM" / "val" / folder
        place.mkdir(parents=True)
        (file,) = trained.glob(f"scene-*{number}.png")
        (place / "met.png").write_bytes(file.read_bytes())
        (place / "new.png").write_bytes(
            images.encode_png(scenes.draw_scene(scenes.HELD_OUT_SEED + 9 + number).image.pixels)
        )
    options = SetOptions(trained, 2, None, {"genimage": tmp_path / "genimage"}, 10_000, trained)
    sets = collect_sets(options, workers=1)
    title, left = sets.others["genimage"]
    assert len(left) == 2
    assert sets.contamination == {"genimage": {"same_file": 2}}
    assert f"{title}: 2 images are left out, the training set holds them (2 as same file); 2 stay" in (
        capsys.readouterr().err
    )


def test_one_broken_file_of_a_published_set_is_counted_and_many_are_refused(tmp_path: Path) -> None:
    for folder in ("ai", "nature"):
        place = tmp_path / "ADM" / "val" / folder
        place.mkdir(parents=True)
        for number in range(6):
            shade = number + 100 * (folder == "ai")
            (place / f"{number}.png").write_bytes(images.encode_png(Image.new("RGB", (60, 40), (shade, 0, 0))))
    (tmp_path / "ADM" / "val" / "ai" / "3.png").write_bytes(b"\x89PNG")
    options = SetOptions(None, 1, None, {"genimage": tmp_path}, 10_000, None)
    sets = collect_sets(options, workers=1)
    assert len(sets.others["genimage"][1]) == 11
    assert [(fault.name, fault.reason) for fault in sets.left_out["genimage"]] == [
        ("ADM/val/ai/3.png", "image_undecodable")
    ]
    (tmp_path / "ADM" / "val" / "nature" / "1.png").write_bytes(b"\x89PNG")
    with pytest.raises(BadSettings, match=r"2 of 12 images of .* cannot be read"):
        collect_sets(options, workers=1)
