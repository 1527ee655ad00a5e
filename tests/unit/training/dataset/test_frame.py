from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import geometry, images
from pipeline.verdict import Verdict
from tests.support.builders import encoded, noise
from training.annotation import format_leak
from training.dataset import frame
from training.dataset.frame import Framed
from training.dataset.sources import LabeledImage
from training.dataset.tuples import LeftOut, file_of


def bring(tmp_path: Path, data: bytes, name: str = "a.png") -> Framed | LeftOut:
    (tmp_path / name).write_bytes(data)
    return frame.bring(tmp_path / "out", LabeledImage(tmp_path / name, name, Verdict.REAL))


def test_files_of_any_origin_come_out_alike_but_for_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    sources = [
        encoded(noise(900, 640, seed=1), "JPEG", quality=60, exif=exif),
        encoded(Image.new("RGBA", (512, 512), (9, 9, 9, 128)), "PNG"),
        encoded(noise(100, 80, seed=2), "WEBP", lossless=True),
    ]
    said = []
    for number, data in enumerate(sources):
        framed = bring(tmp_path, data, f"{number}.bin")
        assert isinstance(framed, Framed)
        said.append(format_leak.of_file(tmp_path / "out" / file_of(framed.sha256)))
    assert said[0] == said[1] == said[2]
    assert (said[0]["width_px"], said[0]["height_px"]) == (512, 512)


def test_the_source_is_told_beside_the_frame(tmp_path: Path) -> None:
    data = encoded(noise(300, 200, seed=3), "PNG")
    framed = bring(tmp_path, data)
    assert isinstance(framed, Framed)
    assert (framed.source_format, framed.source_size_px, framed.source_bytes) == ("png", (300, 200), len(data))
    stored = (tmp_path / "out" / file_of(framed.sha256)).read_bytes()
    pixels = images.decode(stored, max_pixels=10**6).pixels
    expected = frame.through_chain(images.decode(data, max_pixels=10**6).pixels)
    assert images.digest(pixels) == images.digest(expected)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "image_undecodable"),
        (b"not an image", "image_refused"),
        (encoded(noise(300, 200, seed=3), "PNG")[:2000], "image_undecodable"),
        (encoded(noise(63, 200, seed=3), "PNG"), "image_too_small"),
        (encoded(Image.new("1", (9000, 9000)), "PNG"), "image_too_large"),
    ],
)
def test_what_cannot_be_framed_has_its_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    left_out = bring(tmp_path, data)
    assert isinstance(left_out, LeftOut)
    assert (left_out.name, left_out.reason) == ("a.png", reason)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_gone_has_its_reason(tmp_path: Path) -> None:
    left_out = frame.bring(tmp_path, LabeledImage(tmp_path / "gone", "gone", Verdict.REAL))
    assert isinstance(left_out, LeftOut)
    assert (left_out.reason, left_out.detail) == ("file_unreadable", "No such file or directory")


@pytest.mark.parametrize("size", [(800, 600), (600, 800), (256, 256)])
def test_boxes_follow_their_pixels(size: geometry.Size) -> None:
    pixels = Image.new("RGB", size, "black")
    box = (size[0] // 2 - 40, size[1] // 2 - 30, size[0] // 2 + 60, size[1] // 2 + 50)
    pixels.paste((255, 255, 255), box)
    lit = np.argwhere(np.asarray(frame.through_chain(pixels).convert("L")) > 127)
    (top, left), (bottom, right) = lit.min(0), lit.max(0) + 1
    assert frame.to_frame(box, size) == pytest.approx((left, top, right, bottom), abs=1.5)
