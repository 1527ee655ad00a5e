import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.decoding.orientation import ORIENTATION_TAG, read_exif_orientation, turn_upright
from tests.support.builders import build_noise

BYTE, ASCII, SHORT, LONG, SSHORT = 1, 2, 3, 4, 8


def build_exif(*entries: tuple[int, int, int, int], order: str = "<", start: int = 8) -> bytes:
    """Build a block of EXIF from entries: tag, type, count and value, written as a SHORT."""
    opening = b"II*\0" if order == "<" else b"MM\0*"
    directory = b"".join(struct.pack(f"{order}HHIHxx", *entry) for entry in entries)
    return opening + struct.pack(f"{order}I", start) + struct.pack(f"{order}H", len(entries)) + directory + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("opening", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_short_is_the_orientation(orientation: int, opening: bytes, order: str) -> None:
    exif = build_exif((0x010F, ASCII, 4, 0x4141), (ORIENTATION_TAG, SHORT, 1, orientation), order=order)
    assert read_exif_orientation(opening + exif) == orientation


@pytest.mark.parametrize(("kind", "count"), [(LONG, 1), (SSHORT, 1), (BYTE, 1), (SHORT, 2), (SHORT, 0)])
def test_another_type_or_count_turns_nothing(kind: int, count: int) -> None:
    assert read_exif_orientation(build_exif((ORIENTATION_TAG, kind, count, 6))) == 1


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(value: int) -> None:
    assert read_exif_orientation(build_exif((ORIENTATION_TAG, SHORT, 1, value))) == 1


def test_the_first_valid_one_counts() -> None:
    exif = build_exif(*((ORIENTATION_TAG, SHORT, 1, value) for value in (9, 6, 3)))
    assert read_exif_orientation(exif) == 6


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"nonsense of 22 letters",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        build_exif((ORIENTATION_TAG, SHORT, 1, 6), start=2**31),
        build_exif((ORIENTATION_TAG, SHORT, 1, 6))[:20],
    ],
)
def test_broken_exif_turns_nothing(exif: bytes) -> None:
    assert read_exif_orientation(exif) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_exif_says(orientation: int) -> None:
    pixels = build_noise()
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    pixels.info["exif"] = exif.tobytes()
    expected = ImageOps.exif_transpose(pixels)
    assert (np.asarray(turn_upright(build_noise(), orientation)) == np.asarray(expected)).all()
