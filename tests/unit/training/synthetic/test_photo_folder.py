import os
from pathlib import Path

import pytest
from PIL import Image

from pipeline import images
from pipeline.decoding.decode import decode
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.photographs import NAMES, build_photograph, load_photograph, load_tinted
from training.dataset import manifest
from training.dataset.left_out import LeftOut, read_left_out
from training.synthetic import photo_folder, photographs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photographs, one of them below another folder and once more in another format; and four others."""
    place = tmp_path / "photographs"
    (place / "trip").mkdir(parents=True)
    load_photograph("aero").save(place / "field.png")
    load_tinted().save(place / "stairs.png")
    load_photograph("camera").save(place / "trip" / "camera.bmp")
    load_photograph("camera").save(place / "trip" / "again.png")
    load_photograph("camera").crop((0, 0, 300, 500)).save(place / "small.png")
    Image.new("RGB", (700, 700), "navy").save(place / "night.png")
    (place / "broken.png").write_bytes((place / "field.png").read_bytes()[:50])
    (place / "notes.txt").write_text("Our trip")
    return place


def test_every_file_gives_pairs_or_a_reason(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left_out: list[LeftOut] = []
    read = list(photo_folder.read_photographs(folder, 100, 2, left_out))
    assert {one.name.partition(".")[0] for one in read} <= {"field", "stairs", "trip/camera", "trip/again"}
    assert [len(one.pairs) for one in read] == [1, 1, 1]
    assert {one.name: one.reason for one in left_out if one.reason != photo_folder.TWICE} == {
        "small.png": "image_too_small",
        "night.png": "image_too_plain",
        "broken.png": "image_undecodable",
        "notes.txt": "image_refused",
    }
    (twice,) = (one for one in left_out if one.reason == photo_folder.TWICE)
    assert {twice.name, twice.detail.rpartition(" ")[2]} == {"trip/camera.bmp", "trip/again.png"}
    said = capsys.readouterr().err
    assert "left out small.png: image_too_small, 300 x 500 px" in said
    assert said.splitlines()[-1].startswith("pairs of frames: 3; photographs: 3; files left out: ")


def test_of_many_the_same_ones_are_drawn_each_time(folder: Path) -> None:
    first, second = ([one.name for one in photo_folder.read_photographs(folder, 4, 1, [])] for _ in range(2))
    assert first == second
    assert len(first) == 2


def test_a_large_photograph_gives_no_more_pairs_than_are_wanted(tmp_path: Path) -> None:
    wide = Image.new("RGB", (3 * 512, 512))
    for number, name in enumerate(NAMES):
        wide.paste(load_photograph(name), (512 * number, 0))
    wide.save(tmp_path / "wide.png")
    assert len(photographs.build_pairs(build_photograph(wide))) == 3
    (one,) = photo_folder.read_photographs(tmp_path, 5, 1, [])
    assert len(one.pairs) == 2


def test_the_set_on_disk_is_read_like_any_other(folder: Path, tmp_path: Path) -> None:
    path = photo_folder.write_photographs(tmp_path / "set", folder, 100, 1)
    assert path == tmp_path / "set" / manifest.NAME
    entries = list(manifest.read_manifest(tmp_path / "set"))
    assert [entry.label for entry in entries] == [Verdict.REAL, Verdict.GENERATED] * 3
    for real, generated in zip(entries[::2], entries[1::2], strict=True):
        assert (real.boxes, real.origin) == (generated.boxes, generated.origin)
        assert len(real.shown) == len(real.boxes) > 0
        assert (real.explanations and real.explanations.check) != (
            generated.explanations and generated.explanations.check
        )
        source = decode((folder / real.origin).read_bytes(), max_pixels=10**6)
        unchanged, injected = (
            decode((tmp_path / "set" / one.file).read_bytes(), max_pixels=10**6) for one in (real, generated)
        )
        assert (
            images.digest_pixels(unchanged.pixels)
            == images.digest_pixels(source.pixels)
            != images.digest_pixels(injected.pixels)
        )
    assert {one.name for one in read_left_out(tmp_path / "set")} > {"small.png", "night.png", "broken.png", "notes.txt"}


def test_names_of_any_bytes_are_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    load_photograph("aero").save(tmp_path / "in" / os.fsdecode(b"caf\xe9.png"))
    (tmp_path / "in" / os.fsdecode(b"caf\xe9.txt")).write_text("closed")
    photo_folder.write_photographs(tmp_path / "out", tmp_path / "in", 2, 1)
    assert {entry.origin for entry in manifest.read_manifest(tmp_path / "out")} == {"caf?.png"}
    assert [one.name for one in read_left_out(tmp_path / "out")] in ([], ["caf?.txt"])


def test_a_folder_of_which_nothing_can_be_used_is_refused_with_the_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("none")
    with pytest.raises(
        BadSettings, match=r"nothing to inject artifacts into below .*\(files left out: 2 image_refused\)"
    ):
        list(photo_folder.read_photographs(tmp_path, 4, 1, []))
    assert capsys.readouterr().err.count("left out a.txt: image_refused") == 1
    with pytest.raises(BadSettings, match=r"files left out: none\)"):
        list(photo_folder.read_photographs(tmp_path / "gone", 4, 1, []))
