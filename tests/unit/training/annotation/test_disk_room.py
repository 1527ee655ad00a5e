from argparse import Namespace
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.builders import build_noise, encode_image
from training.annotation import disk_room
from training.annotation.disk_room import SetSize
from training.dataset.frame import FrameOptions
from training.dataset.labeled_image import LabeledImage

FULL = FrameOptions("full")


@pytest.fixture
def free_bytes(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: Namespace(free=10**11))
    return 10**11


def write_images(directory: Path, *sizes: tuple[int, int]) -> list[LabeledImage]:
    for number, (width, height) in enumerate(sizes):
        (directory / f"{number}.png").write_bytes(encode_image(build_noise(width, height, seed=number), "PNG"))
    return [LabeledImage(file=f"{number}.png", label=Verdict.REAL) for number in range(len(sizes))]


def test_a_set_takes_three_bytes_for_each_pixel_of_its_images(tmp_path: Path) -> None:
    images = write_images(tmp_path, (100, 80), (200, 100))
    size = disk_room.estimate_set_size(tmp_path, images, FULL, workers=1)
    assert size == SetSize(2, 3 * (8_000 + 20_000) / 2)
    assert str(SetSize(20_000, 36_500_000.0)) == "about 730.0 GB (20,000 images of 36.5 MB on average)"


def test_a_sample_stands_for_a_large_source_and_broken_files_for_nothing(tmp_path: Path) -> None:
    (image,) = write_images(tmp_path, (100, 80))
    broken = LabeledImage(file="absent.png", label=Verdict.REAL)
    assert disk_room.estimate_set_size(tmp_path, [image, broken] * 500, FULL, workers=1) == SetSize(1000, 24_000)
    assert disk_room.estimate_set_size(tmp_path, [broken] * 3, FULL, workers=1) is None


def test_the_largest_area_and_the_square_bound_an_image(tmp_path: Path) -> None:
    images = write_images(tmp_path, (100, 80))
    limited = disk_room.estimate_set_size(tmp_path, images, FrameOptions("full", max_pixels=2_000), workers=1)
    assert limited == SetSize(1, 3 * 50 * 40)
    square = disk_room.estimate_set_size(tmp_path, images, FrameOptions("512"), workers=1)
    assert square == SetSize(1, 3 * 512 * 512)


def test_a_set_that_has_no_room_is_refused_with_what_fits(tmp_path: Path, free_bytes: int) -> None:
    with pytest.raises(BadSettings) as refused:
        disk_room.refuse_full_disk(SetSize(20_000, 36_500_000.0), tmp_path / "new" / "set", FULL)
    assert refused.value.detail == (
        f"{tmp_path} has room for 100.0 GB and the set takes about 730.0 GB (20,000 images of 36.5 MB on average): "
        "take --max-pixels 1666666, --frame 512 (15.7 GB), fewer images, or another disk with --out"
    )
    disk_room.refuse_full_disk(SetSize(20_000, free_bytes / 20_000), tmp_path, FULL)


def test_where_no_frame_fits_none_is_named(tmp_path: Path, free_bytes: int) -> None:
    shortage = disk_room.describe_shortage(SetSize(free_bytes // 1_000, 30_000_000.0), tmp_path, FULL)
    assert shortage is not None
    assert shortage.endswith("on average): take fewer images, or another disk with --out")


def test_frames_of_an_earlier_build_make_room_for_the_next(tmp_path: Path, free_bytes: int) -> None:
    (tmp_path / "images" / "00").mkdir(parents=True)
    with (tmp_path / "images" / "00" / "frame.png").open("wb") as file:
        file.truncate(10**9)
    assert disk_room.describe_shortage(SetSize(1, free_bytes + 10.0**9), tmp_path, FULL) is None
    assert disk_room.describe_shortage(SetSize(1, free_bytes + 2 * 10.0**9), tmp_path, FULL) is not None
