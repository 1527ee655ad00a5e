import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from pipeline.color.coded import BT709, CodedColor, find_coded_color
from pipeline.color.curves import Curve
from pipeline.color.icc import IccProfile
from pipeline.decoding.decode import decode
from pipeline.decoding.orientation import ORIENTATION_TAG
from pipeline.decoding.png import read_png
from pipeline.errors import ImageTooLarge, ImageUndecodable
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.exif import SHORT, build_exif
from tests.support.image_files.png import (
    END,
    SIGNATURE,
    build_chunk,
    build_file,
    build_header,
    build_rows,
    split_data,
)

CAP = 1_000_000
WHITE = (255, 255, 255)
SIZE = (16, 12)
NOISE = build_noise(*SIZE)
YELLOW = Image.new("RGB", SIZE, (250, 220, 20))


def show(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(decode(data, max_pixels=CAP).pixels).astype(int)


# Broken files


def build_striped_file(size: int = 64) -> bytes:
    """Build a file whose pixels are in many chunks."""
    packed = zlib.compress(build_rows(NOISE), 0)
    return SIGNATURE + build_header(*SIZE) + b"".join(split_data(packed, size)) + END


@pytest.mark.parametrize(
    "data",
    [
        build_file(NOISE, build_chunk(b"tEXt", b"a\0b", crc_is_wrong=True)),
        build_file(NOISE, build_chunk(b"pHYs")),
        build_file(NOISE, data=zlib.compress(build_rows(NOISE))[:-1] + b"x"),
        build_file(NOISE, end=b""),
        build_file(NOISE) + b"garbage",
        build_striped_file()[:-4],
    ],
)
def test_a_broken_file_that_browsers_show_is_repaired(data: bytes) -> None:
    image = decode(data, max_pixels=CAP)
    assert (image.repaired, image.pixels.tobytes()) == (True, NOISE.tobytes())


@pytest.mark.parametrize("data", [build_file(NOISE), build_striped_file(), encode_image(NOISE, "PNG", dpi=(72, 72))])
def test_a_sound_file_is_not_repaired(data: bytes) -> None:
    image = decode(data, max_pixels=CAP)
    assert (image.repaired, image.frames, image.frame) == (False, 1, 0)
    assert image.pixels.tobytes() == NOISE.tobytes()


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("is_behind", [True, False])
def test_huge_texts_are_no_damage(is_packed: bool, is_behind: bool) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", "a" * 5_000_000, zip=is_packed)
    data = encode_image(NOISE, "PNG", pnginfo=texts)
    text = data[33 : data.index(b"IDAT") - 4]
    image = decode(build_file(NOISE, after=text) if is_behind else data, max_pixels=CAP)
    assert (image.repaired, image.pixels.tobytes()) == (False, NOISE.tobytes())


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.9, 0.99])
def test_a_cut_file_shows_the_rows_that_came(fraction: float) -> None:
    data = build_striped_file()
    shown = show(data[: int(len(data) * fraction)])
    rows = int((shown != 255).any(-1).any(1).sum())
    assert abs(rows - fraction * SIZE[1]) <= 3
    assert (shown[:rows] == np.asarray(NOISE)[:rows]).all()
    assert (shown[rows:] == 255).all()


@pytest.mark.parametrize("cut", [8, 20, 33, 41, 60])
def test_a_file_cut_before_its_first_row_is_undecodable(cut: int) -> None:
    with pytest.raises(ImageUndecodable):
        decode(build_striped_file()[:cut], max_pixels=CAP)


def test_a_size_beyond_the_limit_is_refused_before_memory_is_taken() -> None:
    huge = SIGNATURE + build_header(1_000_000, 1_000_000) + build_chunk(b"IDAT", b"\x78\x9c") + END
    with pytest.raises(ImageTooLarge, match="the limit of 1000000 pixels"):
        decode(huge, max_pixels=CAP)


# Transparency


def test_what_is_transparent_is_white() -> None:
    assert (show(build_file(Image.new("RGBA", SIZE, (9, 9, 9, 0)))) == 255).all()
    assert (show(build_file(Image.new("LA", SIZE, (0, 128)))) == 127).all()
    clear = build_chunk(b"tRNS", struct.pack(">3H", 250, 220, 20))
    assert (show(build_file(YELLOW, clear)) == 255).all()


@pytest.mark.parametrize(
    ("image", "color"),
    [
        (Image.new("RGBA", SIZE, (255, 0, 0, 0)), WHITE),
        (Image.new("RGBA", SIZE, (255, 0, 0, 255)), (255, 0, 0)),
        (Image.new("RGBA", SIZE, (0, 0, 0, 128)), (127, 127, 127)),
        (Image.new("LA", SIZE, (0, 0)), WHITE),
        (Image.new("LA", SIZE, (90, 255)), (90, 90, 90)),
        (Image.new("1", SIZE, 1), WHITE),
        (Image.new("L", SIZE, 77), (77, 77, 77)),
        (Image.new("I;16", SIZE, 0), (0, 0, 0)),
        (Image.new("I;16", SIZE, 128), (0, 0, 0)),
        (Image.new("I;16", SIZE, 257 * 77 + 100), (77, 77, 77)),
        (Image.new("I;16", SIZE, 257 * 77 + 200), (78, 78, 78)),
        (Image.new("I;16", SIZE, 65535), WHITE),
        (Image.new("P", SIZE, 3), None),
    ],
)
def test_modes_that_pillow_writes(image: Image.Image, color: tuple[int, int, int] | None) -> None:
    decoded = decode(encode_image(image, "PNG"), max_pixels=CAP).pixels
    assert decoded.getpixel((4, 4)) == (color or image.convert("RGB").getpixel((4, 4)))


# Color

DISPLAY_P3 = build_chunk(b"cICP", b"\x0c\x0d\0\1")
SRGB = build_chunk(b"sRGB", b"\0")
LINEAR = build_chunk(b"gAMA", struct.pack(">I", 100_000))
P3_CHROMATICITIES = build_chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def build_profile(profile: bytes, *, name: bytes = b"a", method: bytes = b"\0") -> bytes:
    return build_chunk(b"iCCP", name + b"\0" + method + zlib.compress(profile))


BROKEN_PROFILES = (
    build_profile(b"nonsense"),
    build_profile(PROFILE, name=b""),
    build_profile(PROFILE, method=b"\1"),
    build_profile(bytes(20_000_000)),
    build_chunk(b"iCCP", b"a\0\0nonsense"),
)
SRGB_PROFILE = IccProfile(PROFILE, any_space=True)
LINEAR_COLOR = CodedColor(BT709, Curve(1.0))


@pytest.mark.parametrize(
    ("chunks", "color"),
    [
        ((), None),
        ((LINEAR,), LINEAR_COLOR),
        ((SRGB, LINEAR), None),
        ((P3_CHROMATICITIES,), None),
        ((build_profile(PROFILE), LINEAR), SRGB_PROFILE),
        ((build_profile(PROFILE), SRGB), SRGB_PROFILE),
        *(((broken, LINEAR), LINEAR_COLOR) for broken in BROKEN_PROFILES),
        *(((broken, SRGB, LINEAR), None) for broken in BROKEN_PROFILES),
        ((DISPLAY_P3, build_profile(PROFILE), SRGB, LINEAR), find_coded_color(12, 13)),
        ((build_chunk(b"cICP", b"\x63\x0d\0\1"), build_profile(PROFILE)), SRGB_PROFILE),
        ((build_chunk(b"cICP", b"\x0c\x0d\0\0"), LINEAR), LINEAR_COLOR),
    ],
)
def test_the_color_is_the_first_that_browsers_can_read(chunks: tuple[bytes, ...], color: object) -> None:
    assert read_png(build_file(NOISE, *chunks)).color == color


@pytest.mark.parametrize(
    ("chunks", "peak_nits"),
    [
        ((), 1000),
        ((build_chunk(b"mDCV", bytes(16) + struct.pack(">II", 40_000_000, 50)),), 4000),
        ((build_chunk(b"cLLI", struct.pack(">II", 4_000_000, 1_000_000)),), 400),
        ((build_chunk(b"PLTE", b"rgb"), build_chunk(b"mDCV", bytes(16) + struct.pack(">II", 40_000_000, 50))), 1000),
    ],
)
def test_light_of_high_dynamic_range_has_the_peak_that_the_file_states(
    chunks: tuple[bytes, ...], peak_nits: float
) -> None:
    color = read_png(build_file(NOISE, build_chunk(b"cICP", b"\x09\x10\0\1"), *chunks)).color
    assert isinstance(color, CodedColor)
    assert color == replace(color, peak_nits=peak_nits)


def test_primaries_come_with_a_gamma() -> None:
    color = read_png(build_file(NOISE, P3_CHROMATICITIES, LINEAR)).color
    assert isinstance(color, CodedColor)
    assert (color.primaries.red_x, color.primaries.green_y, color.transfer) == (0.68, 0.69, Curve(1.0))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pixels_keep_their_channels_for_their_color(mode: str) -> None:
    frame = read_png(build_file(NOISE.convert(mode), LINEAR))
    assert (frame.pixels.mode, frame.color) == (mode, LINEAR_COLOR)


# Orientation


def build_orientation(orientation: int) -> bytes:
    return build_exif((ORIENTATION_TAG, SHORT, 1, orientation))


TURNED = build_orientation(6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(orientation: int) -> None:
    data = build_file(NOISE, build_chunk(b"eXIf", build_orientation(orientation)))
    assert (show(data) == np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))).all()


@pytest.mark.parametrize(
    "data",
    [
        build_file(NOISE, after=build_chunk(b"eXIf", TURNED)),
        build_file(NOISE, build_chunk(b"eXIf", b"Exif\0\0" + TURNED)),
        build_file(NOISE, build_chunk(b"eXIf", TURNED, crc_is_wrong=True)),
        build_file(NOISE, build_chunk(b"eXIf", build_orientation(1)), build_chunk(b"eXIf", TURNED)),
        build_file(NOISE, build_chunk(b"tEXt", b"Raw profile type exif\0\nexif\n26\n" + TURNED.hex().encode())),
        build_file(NOISE, build_chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>')),
    ],
)
def test_orientation_that_browsers_do_not_obey(data: bytes) -> None:
    assert (show(data) == np.asarray(NOISE)).all()
