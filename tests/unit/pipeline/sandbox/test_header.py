import io
import struct

import pytest
from PIL import Image

from pipeline.sandbox.header import read_size
from tests.support.builders import build_noise, encode_image

SIZE = (64, 48)
PIXELS = build_noise(*SIZE)


def encode(name: str, **options: object) -> bytes:
    stream = io.BytesIO()
    PIXELS.save(stream, name, **options)
    return stream.getvalue()


def build_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


@pytest.mark.parametrize(
    ("data", "file_format"),
    [
        pytest.param(encode("PNG"), "png", id="PNG"),
        pytest.param(encode("BMP"), "bmp", id="BMP"),
        pytest.param(encode("JPEG"), "jpeg", id="JPEG"),
        pytest.param(encode("JPEG", progressive=True, comment=b"x" * 5000), "jpeg", id="progressive JPEG"),
        pytest.param(encode("WEBP", exif=Image.Exif().tobytes() + b"x"), "webp", id="extended WebP"),
    ],
)
def test_a_plain_header_says_the_size(data: bytes, file_format: str) -> None:
    assert read_size(data, file_format) == SIZE


def test_rows_from_the_top_have_a_negative_height() -> None:
    bmp = encode("BMP")
    assert read_size(bmp[:22] + struct.pack("<i", -48) + bmp[26:], "bmp") == SIZE


@pytest.mark.parametrize(
    ("data", "file_format"),
    [
        pytest.param(encode_image(PIXELS, "GIF"), "gif", id="no reader"),
        pytest.param(encode("PNG")[:20], "png", id="cut PNG"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(40), "png", id="no IHDR"),
        pytest.param(encode("BMP")[:14] + struct.pack("<I", 12) + bytes(40), "bmp", id="BMP of OS/2"),
        pytest.param(encode("WEBP"), "webp", id="simple WebP"),
        pytest.param(b"\xff\xd8" + build_segment(0xFE, b"x") * 9000, "jpeg", id="many segments"),
        pytest.param(b"\xff\xd8\xff\xff" + bytes(40), "jpeg", id="filling bytes"),
        pytest.param(b"\xff\xd8" + build_segment(0xDA, bytes(40)), "jpeg", id="scan first"),
        pytest.param(b"\xff\xd8" + build_segment(0xC0, bytes(40)), "jpeg", id="height follows the scan"),
        pytest.param(b"\xff\xd8\xff", "jpeg", id="cut JPEG"),
    ],
)
def test_a_header_that_does_not_say_it_plainly_says_nothing(data: bytes, file_format: str) -> None:
    assert read_size(data, file_format) is None
