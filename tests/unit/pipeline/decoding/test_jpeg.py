import io
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.color.icc import IccProfile
from pipeline.decoding.frame import Frame
from pipeline.decoding.jpeg import read_jpeg
from pipeline.decoding.orientation import ORIENTATION_TAG
from pipeline.decoding.pillow import limit_pillow
from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.exif import LONG, SHORT, build_exif

APP1, APP2, COMMENT = 0xE1, 0xE2, 0xFE
SCAN, TABLES = b"\xff\xda", b"\xff\xc4"
FRAME = re.compile(rb"\xff[\xc0\xc2]\0\x11")
PROFILE = bytes(range(200))


def read(data: bytes, *, max_pixels: int = 1_000_000) -> Frame:
    with limit_pillow(max_pixels):
        return read_jpeg(data)


def to_array(frame: Frame) -> NDArray[np.int64]:
    return np.asarray(frame.pixels).astype(np.int64)


def encode(mode: str = "RGB", subsampling: str = "4:4:4", *, progressive: bool = False) -> bytes:
    """Encode 64 x 48 pixels. Those of 4:4:4 come in 6 rows of blocks, those of 4:2:0 in 3."""
    return encode_image(build_noise(mode=mode), "JPEG", subsampling=subsampling, progressive=progressive, quality=90)


def build_segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


def insert(*segments: bytes) -> bytes:
    data = encode()
    return data[:2] + b"".join(segments) + data[2:]


def test_a_whole_file_is_read_as_pillow_does_without_draft() -> None:
    data = encode()
    frame = read(data)
    assert (np.asarray(frame.pixels) == np.asarray(Image.open(io.BytesIO(data)))).all()
    assert (frame.color, frame.orientation, frame.frames, frame.repaired) == (None, 1, 1, False)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_pixels_keep_the_mode_of_the_file(mode: str) -> None:
    assert read(encode(mode)).pixels.mode == mode


@pytest.mark.parametrize("kept", [1.0, 0.9, 0.55])
def test_further_pictures_are_not_frames(kept: float) -> None:
    first, second = build_noise(seed=1), build_noise(seed=2)
    data = encode_image(first, "MPO", save_all=True, append_images=[second], quality=95)
    frame = read(data[: int(len(data) * kept)])
    assert (frame.frames, frame.repaired) == (1, False)
    differences = [np.abs(to_array(frame) - np.asarray(picture)).mean() for picture in (first, second)]
    assert differences[0] < differences[1]


def test_pixels_are_counted_before_they_are_decoded() -> None:
    with pytest.raises(ImageTooLarge):
        read(encode(), max_pixels=64 * 48 - 1)


# Files that are cut short


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("end", [-1, -2, -3])
def test_without_its_end_a_file_lacks_its_last_blocks(mode: str, end: int) -> None:
    whole, cut = read(encode(mode)), read(encode(mode)[:end])
    assert cut.repaired
    assert (to_array(cut)[:40] == to_array(whole)[:40]).all()
    assert (to_array(cut)[40:] == (0 if mode == "CMYK" else 255)).all()


def test_rows_that_wait_for_the_colors_below_are_white() -> None:
    whole, cut = read(encode(subsampling="4:2:0")), read(encode(subsampling="4:2:0")[:-2])
    assert (to_array(cut)[:30] == to_array(whole)[:30]).all()
    assert (to_array(cut)[30:] == 255).all()


@pytest.mark.parametrize("place", [0, 10])
def test_a_file_without_a_whole_row_is_undecodable(place: int) -> None:
    data = encode()
    with pytest.raises(ImageUndecodable, match="holds no whole row"):
        read(data[: data.index(SCAN) + 14 + place])


@pytest.mark.parametrize("place", [3, 30, -1])
def test_a_file_without_a_scan_is_undecodable(place: int) -> None:
    data = encode()
    with pytest.raises(ImageUndecodable, match="ends before the first scan"):
        read(data[: data.index(SCAN)][:place])


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("end", [-1, -2, -3])
def test_a_progressive_file_without_its_end_is_nearly_whole(subsampling: str, end: int) -> None:
    data = encode(subsampling=subsampling, progressive=True)
    whole, cut = read(data), read(data[:end])
    differs = (to_array(cut) != to_array(whole)).any(2)
    assert cut.repaired
    assert not differs[:, :-16].any()
    assert not differs[:-16].any()


@pytest.mark.parametrize("kept", [0.4, 0.6, 0.8, 0.95])
def test_a_progressive_file_is_whole_but_coarse(kept: float) -> None:
    data = encode(progressive=True)
    whole, cut = read(data), read(data[: int(len(data) * kept)])
    assert cut.repaired
    assert np.abs(to_array(cut) - to_array(whole)).mean() < 50
    assert not (to_array(cut) == 255).all(2).any(1).any()


def test_each_cut_of_a_progressive_file_is_read_or_undecodable() -> None:
    data = encode(subsampling="4:2:0", progressive=True)
    first_scan = data.index(SCAN)
    for end in range(first_scan + 14, len(data), 23):
        try:
            frame = read(data[:end])
        except ImageUndecodable:
            assert end < first_scan + 40
        else:
            assert frame.repaired


def test_below_a_first_scan_that_is_cut_short_is_white() -> None:
    data = encode(progressive=True)
    start_of_scan = data.index(SCAN)
    end_of_scan = data.index(TABLES, start_of_scan)
    coarse, cut = read(data[:end_of_scan]), read(data[: (start_of_scan + 3 * end_of_scan) // 4])
    blank = (to_array(cut) == 255).all((1, 2))
    start = int(blank.argmax())
    assert 16 <= start <= 40
    assert blank[start:].all()
    assert np.abs(to_array(cut)[: start - 8] - to_array(coarse)[: start - 8]).mean() < 20


def test_a_progressive_file_without_all_of_its_components_is_undecodable() -> None:
    data = encode(progressive=True)
    first = data.index(SCAN)
    one_component = build_segment(SCAN[1], bytes((1, 1, 0, 0, 0, 1)))
    with pytest.raises(ImageUndecodable, match="each component"):
        read(data[:first] + one_component + data[first + 14 : first + 100])


# Files that are broken otherwise


@pytest.mark.parametrize("filler", [b"\xff\xff\xff", b"\0\0text"])
def test_bytes_before_a_marker_are_passed_over(filler: bytes) -> None:
    data = encode()
    scan = data.index(SCAN)
    assert (to_array(read(data[:scan] + filler + data[scan:])) == to_array(read(data))).all()


def test_broken_data_in_the_middle_leave_the_rest() -> None:
    data = bytearray(encode())
    data[len(data) // 2 : len(data) // 2 + 8] = bytes(8)
    frame = read(bytes(data))
    assert (to_array(frame)[:16] == to_array(read(encode()))[:16]).all()


def test_what_breaks_behind_the_rows_does_not_matter() -> None:
    data = encode()
    frame = read(data[:-2] + FRAME.findall(data)[0] + bytes(60))
    assert frame.repaired
    assert (to_array(frame) == to_array(read(data))).all()


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC7, 0xCB, 0xCF, 0xF7])
def test_a_coding_that_browsers_do_not_show_is_refused(marker: int) -> None:
    data = bytearray(encode())
    data[data.index(b"\xff\xc0") + 1] = marker
    with pytest.raises(ImageRefused, match="lossless or hierarchical JPEG of 8 bits"):
        read(bytes(data))


@pytest.mark.parametrize("bits", [2, 12, 16])
def test_samples_that_browsers_do_not_show_are_refused(bits: int) -> None:
    data = bytearray(encode())
    data[data.index(b"\xff\xc0") + 4] = bits
    with pytest.raises(ImageRefused, match=f"JPEG of {bits} bits a sample"):
        read(bytes(data))


def test_a_file_without_a_size_is_undecodable() -> None:
    data = encode()
    start = data.index(b"\xff\xc0")
    with pytest.raises(ImageUndecodable, match="no size"):
        read(data[:start] + data[start + 19 :])


# EXIF and profiles


def build_exif_segment(orientation: int, *, kind: int = SHORT) -> bytes:
    return build_segment(APP1, b"Exif\0\0" + build_exif((ORIENTATION_TAG, kind, 1, orientation)))


XMP = build_segment(
    APP1,
    b'http://ns.adobe.com/xap/1.0/\0<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>',
)


@pytest.mark.parametrize(
    ("segments", "orientation"),
    [
        ([build_exif_segment(6)], 6),
        ([build_exif_segment(6), build_exif_segment(3)], 6),
        ([build_segment(APP1, b"Exif\0\0"), build_exif_segment(3)], 3),
        ([build_segment(APP1, b"Exif\0\0nonsense"), build_exif_segment(3)], 1),
        ([XMP, build_exif_segment(3)], 3),
        ([XMP], 1),
        ([build_exif_segment(1), XMP], 1),
        ([build_exif_segment(6, kind=LONG)], 1),
        ([build_segment(APP2, b"Exif\0\0" + build_exif((ORIENTATION_TAG, SHORT, 1, 6)))], 1),
        ([build_segment(COMMENT, b"Exif\0\0")], 1),
    ],
)
def test_the_first_block_of_exif_says_the_orientation(segments: list[bytes], orientation: int) -> None:
    assert read(insert(*segments)).orientation == orientation


def build_part(number: int, count: int, part: bytes) -> bytes:
    return build_segment(APP2, b"ICC_PROFILE\0" + bytes((number, count)) + part)


FIRST, SECOND = build_part(1, 2, PROFILE[:120]), build_part(2, 2, PROFILE[120:])


@pytest.mark.parametrize(
    ("segments", "profile"),
    [
        ([build_part(1, 1, PROFILE)], PROFILE),
        ([FIRST, SECOND], PROFILE),
        ([SECOND, FIRST], PROFILE),
        ([FIRST, SECOND, SECOND], PROFILE),
        ([build_part(1, 1, b""), build_part(1, 1, PROFILE)], PROFILE),
        ([FIRST], None),
        ([FIRST, FIRST, SECOND], None),
        ([FIRST, build_part(2, 3, PROFILE[120:])], None),
        ([build_part(0, 1, PROFILE)], None),
        ([build_part(0, 0, PROFILE)], None),
        ([build_part(3, 2, PROFILE)], None),
        ([build_segment(APP1, b"ICC_PROFILE\0\1\1" + PROFILE)], None),
    ],
)
def test_a_profile_is_joined_by_the_numbers_of_its_parts(segments: list[bytes], profile: bytes | None) -> None:
    assert read(insert(*segments)).color == (IccProfile(profile) if profile else None)


@pytest.mark.parametrize("body", [b"JFIF", b"JFIF\0", b"JFIF\0\1"])
def test_a_segment_of_jfif_or_adobe_that_is_too_short_is_ignored(body: bytes) -> None:
    adobe = b"Adobe" + body[5:]
    frame = read(insert(build_segment(0xE0, body), build_segment(0xEE, adobe)))
    assert (to_array(frame) == to_array(read(encode()))).all()
    assert not frame.repaired
