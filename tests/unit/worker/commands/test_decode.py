import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from pipeline.errors import FatalError
from tests.support.builders import build_noise, encode_image
from tests.support.processes.commands import run_command
from worker.commands import decode
from worker.common.sections import StoreSettings
from worker.common.settings import Settings

SETTINGS = Settings(store=StoreSettings(max_image_bytes=100_000, max_image_pixels=10_000))
GIF_FRAMES = [Image.new("L", (20, 10), level).convert("P") for level in (50, 90, 200)]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    file.write_bytes(encode_image(build_noise(), "PNG"))
    return file


def test_programs_get_a_line_for_each_file(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents = {"text.jpg": b"hello", "cut.png": b"\x89PNG\r\n\x1a\n", "long.png": bytes(100_001)}
    refused = [tmp_path / name for name in contents]
    for file in refused:
        file.write_bytes(contents[file.name])
    large = tmp_path / "large.bmp"
    Image.new("RGB", (101, 100)).save(large)
    missing = [tmp_path / "none.png", tmp_path]
    files = [photo, *refused, large, *missing]
    assert run_command(decode, "--json", *map(str, files), settings=SETTINGS) == 1
    first, *others = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first == {
        "file": str(photo), "outcome": "pixels", "width_px": 64, "height_px": 48, "format": "png",
        "frames": 1, "frame": 0, "repaired": False, "code": None, "detail": None,
    }  # fmt: skip
    assert [line["file"] for line in others] == [str(file) for file in files[1:]]
    codes = ["image_refused", "image_undecodable", "image_too_large", "image_too_large", *["image_missing"] * 2]
    assert [line["code"] for line in others] == codes
    assert all(line["outcome"] == "code" and line["detail"] for line in others)
    assert {
        line[field] for line in others for field in first if field not in ("file", "outcome", "code", "detail")
    } == {None}


def test_the_pixels_that_are_judged_are_saved(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "seen"
    assert run_command(decode, str(photo), "--out", str(out), settings=SETTINGS) == 0
    with Image.open(out / "photo.png") as saved, Image.open(photo) as original:
        assert ImageChops.difference(saved, original).getbbox() is None
    assert capsys.readouterr().out.splitlines()[-1] == f"1 decoded; saved in {out}"


def test_no_source_is_overwritten(photo: Path) -> None:
    before = photo.read_bytes()
    with pytest.raises(FatalError, match="overwritten"):
        run_command(decode, str(photo), "--out", str(photo.parent), settings=SETTINGS)
    assert photo.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "seen" / "photo.png").mkdir(parents=True)
    with pytest.raises(FatalError, match=r"photo\.png cannot be written"):
        run_command(decode, str(photo), "--out", str(tmp_path / "seen"), settings=SETTINGS)


def test_users_get_an_aligned_line_for_each_file(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    animation, text = tmp_path / "a.gif", tmp_path / "\x1b[2J.png"
    GIF_FRAMES[0].save(animation, save_all=True, append_images=GIF_FRAMES[1:])
    text.write_bytes(b"hello")
    assert run_command(decode, str(photo), str(animation), str(text), settings=SETTINGS) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["png", "gif", "image_refused", "2"]
    assert lines[0].endswith("  64 x 48 px")
    assert lines[1].index(str(animation)) == lines[0].index(str(photo))
    assert lines[1].endswith("  20 x 10 px, frame 1 of 3")
    assert "\\x1b[2J.png" in lines[2]
    assert lines[3] == "2 decoded, 1 image_refused"
