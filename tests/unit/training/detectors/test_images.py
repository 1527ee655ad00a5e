"""The names of images in score files, and the files that other detectors are run on."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.decoding.decode import decode
from pipeline.errors import BadSettings
from pipeline.verdict import RgbImage, Verdict
from training.detectors import images
from training.evaluation.perturbations import PERTURBATIONS
from training.evaluation.samples import Sample


def build_sample(number: int, file: str) -> Sample:
    pixels = Image.new("RGB", (40, 30), (200 * number, 10, 10))
    return Sample(number, RgbImage(pixels, "png"), Verdict.REAL, (), file=file)


def test_a_set_and_each_of_its_copies_is_a_folder(tmp_path: Path) -> None:
    drawn = [build_sample(0, "a.png"), build_sample(1, "b.png")]
    images.write_images(tmp_path, {"scenes": drawn, "other": drawn[:1]}, {}, {"scenes": PERTURBATIONS})
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    copies = [f"scenes-{name}/{file}" for name in PERTURBATIONS for file in ("a.png", "b.png")]
    assert written == sorted(["other/a.png", "scenes/a.png", "scenes/b.png", *copies])
    halved = decode((tmp_path / "scenes-half_size" / "b.png").read_bytes(), max_pixels=10_000)
    assert halved.size_px == (20, 15)
    assert halved.pixels.getpixel((3, 3)) == (200, 10, 10)


def test_the_files_of_a_set_on_disk_are_copied_byte_for_byte(tmp_path: Path) -> None:
    file = tmp_path / "set" / "train" / "a.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"as it is")
    sample = build_sample(0, "train/a.jpg")
    images.write_images(tmp_path / "out", {"data": [sample]}, {"data": tmp_path / "set"}, {"data": PERTURBATIONS})
    assert (tmp_path / "out" / "data" / "train" / "a.jpg").read_bytes() == b"as it is"
    assert (tmp_path / "out" / "data-jpeg_30" / "train" / "a.png").is_file()


def test_images_are_written_once_and_another_set_needs_another_folder(tmp_path: Path) -> None:
    names = images.name_image("scenes", "a.png"), images.name_copy("scenes", "half_size", "a.png")
    copies = {"scenes": {"half_size": PERTURBATIONS["half_size"]}}
    first, same, other = ({"scenes": [build_sample(number, "a.png")]} for number in (0, 0, 1))
    images.write_images(tmp_path, first, {}, copies)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert written.keys() == {tmp_path / name for name in names}
    images.write_images(tmp_path, same, {}, copies)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == written
    with pytest.raises(BadSettings, match=r"scenes/a\.png is another image .* --out"):
        images.write_images(tmp_path, other, {}, {})
    (tmp_path / names[0]).unlink()
    with pytest.raises(BadSettings, match=r"scenes-half_size/a\.png is another image"):
        images.write_images(tmp_path, other, {}, copies)


def test_another_file_of_a_set_on_disk_is_refused(tmp_path: Path) -> None:
    file, sets, directories = (
        tmp_path / "set" / "a.jpg",
        {"data": [build_sample(0, "a.jpg")]},
        {"data": tmp_path / "set"},
    )
    file.parent.mkdir()
    file.write_bytes(b"one")
    images.write_images(tmp_path / "out", sets, directories, {})
    file.write_bytes(b"two")
    with pytest.raises(BadSettings, match=r"data/a\.jpg is another image"):
        images.write_images(tmp_path / "out", sets, directories, {})
    assert (tmp_path / "out" / "data" / "a.jpg").read_bytes() == b"one"
