from pathlib import Path

import pytest

from pipeline import images
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
