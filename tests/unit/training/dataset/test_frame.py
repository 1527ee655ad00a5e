import os
from pathlib import Path
from threading import Timer

import psutil
import pytest
from PIL import Image

from pipeline import images
from pipeline.decoding.decode import decode
from pipeline.verdict import Verdict
from tests.support.builders import build_noise, encode_image
from training.annotation import format_leak
from training.dataset import frame
from training.dataset.frame import FramedImage, FrameJob, FrameOptions, locate_frame
from training.dataset.labeled_image import LabeledImage
from training.dataset.left_out import LeftOut
from training.dataset.placement import Frame


def bring(tmp_path: Path, data: bytes, name: str = "a.png", kind: Frame = "512") -> FramedImage | LeftOut:
    (tmp_path / name).write_bytes(data)
    job = FrameJob(LabeledImage(file=name, label=Verdict.REAL))
    return frame.frame_image(tmp_path, tmp_path / "out", FrameOptions(kind), job)


def test_files_of_any_origin_come_out_alike_but_for_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    sources = [
        encode_image(build_noise(900, 640, seed=1), "JPEG", quality=60, exif=exif),
        encode_image(Image.new("RGBA", (512, 512), (9, 9, 9, 128)), "PNG"),
        encode_image(build_noise(100, 80, seed=2), "WEBP", lossless=True),
    ]
    said = []
    for number, data in enumerate(sources):
        framed = bring(tmp_path, data, f"{number}.bin")
        assert isinstance(framed, FramedImage)
        said.append(format_leak.read_file_features(tmp_path / "out" / locate_frame(framed.provenance.sha256)))
    assert said[0] == said[1] == said[2]
    assert (said[0]["width_px"], said[0]["height_px"]) == (512, 512)


def test_the_source_is_told_beside_the_frame(tmp_path: Path) -> None:
    data = encode_image(build_noise(300, 200, seed=3), "PNG")
    framed = bring(tmp_path, data)
    assert isinstance(framed, FramedImage)
    source = framed.provenance
    assert (source.source_format, source.source_size_px, source.source_bytes) == ("png", (300, 200), len(data))
    stored = (tmp_path / "out" / locate_frame(framed.provenance.sha256)).read_bytes()
    pixels = decode(stored, max_pixels=10**6).pixels
    expected = frame.apply_codec_chain(decode(data, max_pixels=10**6).pixels)
    assert images.digest_pixels(pixels) == images.digest_pixels(expected)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "image_undecodable"),
        (b"not an image", "image_refused"),
        (encode_image(build_noise(300, 200, seed=3), "PNG")[:20], "image_undecodable"),
        (encode_image(build_noise(63, 200, seed=3), "PNG"), "image_too_small"),
        (encode_image(Image.new("1", (9000, 9000)), "PNG"), "image_too_large"),
    ],
)
def test_what_cannot_be_framed_has_its_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    left_out = bring(tmp_path, data)
    assert isinstance(left_out, LeftOut)
    assert (left_out.name, left_out.reason) == ("a.png", reason)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_gone_has_its_reason(tmp_path: Path) -> None:
    job = FrameJob(LabeledImage(file="gone", label=Verdict.REAL))
    left_out = frame.frame_image(tmp_path, tmp_path / "out", FrameOptions(), job)
    assert isinstance(left_out, LeftOut)
    assert (left_out.reason, left_out.detail) == ("file_unreadable", "No such file or directory")


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    left_out = frame.open_untrusted(tmp_path / "pipe", "pipe", least_side_px=64)
    assert left_out == LeftOut("pipe", "file_unreadable", "no regular file")


def test_the_decoder_is_another_process_and_its_death_costs_no_image(tmp_path: Path) -> None:
    data = encode_image(build_noise(300, 200, seed=3), "PNG")
    assert isinstance(bring(tmp_path, data), FramedImage)
    child = next(p for p in psutil.Process().children() if "pipeline.sandbox.decoding_child" in p.cmdline())
    child.suspend()
    Timer(0.5, child.kill).start()
    assert isinstance(bring(tmp_path, data), FramedImage)
    assert not child.is_running()


def test_a_full_frame_holds_the_image_and_tells_nothing_else(tmp_path: Path) -> None:
    jpeg = encode_image(build_noise(300, 200, seed=1), "JPEG", quality=60)
    png = encode_image(Image.new("RGBA", (300, 200), (9, 9, 9, 128)), "PNG")
    said = []
    for number, data in enumerate((jpeg, png)):
        framed = bring(tmp_path, data, f"{number}.bin", "full")
        assert isinstance(framed, FramedImage)
        assert framed.provenance.size_px == (300, 200)
        said.append(format_leak.read_file_features(tmp_path / "out" / locate_frame(framed.digest)))
    assert said[0] == said[1]
    assert (said[0]["width_px"], said[0]["height_px"]) == (300, 200)


def test_one_picture_has_one_hash_in_every_frame(tmp_path: Path) -> None:
    data = encode_image(build_noise(300, 200, seed=1), "PNG")
    square, full = bring(tmp_path, data), bring(tmp_path, data, kind="full")
    assert isinstance(square, FramedImage)
    assert isinstance(full, FramedImage)
    assert square.fingerprint == full.fingerprint
    assert square.digest != full.digest
