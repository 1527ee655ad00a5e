import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.decoding.orientation import ORIENTATION_TAG, read_exif_orientation, turn_upright
from tests.support.builders import build_noise
from tests.support.image_files.exif import (
    ASCII,
    BYTE,
    EXIF_DIRECTORY,
    LONG,
    SHORT,
    SSHORT,
    build_directory,
    build_exif,
)


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


def test_the_directory_of_exif_counts_where_it_stands() -> None:
    directory = build_directory((ORIENTATION_TAG, SHORT, 1, 6))
    after = build_exif((EXIF_DIRECTORY, LONG, 1, 38), (ORIENTATION_TAG, SHORT, 1, 3)) + directory
    before = build_exif((ORIENTATION_TAG, SHORT, 1, 3), (EXIF_DIRECTORY, LONG, 1, 38)) + directory
    assert (read_exif_orientation(after), read_exif_orientation(before)) == (6, 3)


def test_a_directory_that_names_itself_ends() -> None:
    assert read_exif_orientation(build_exif(*[(EXIF_DIRECTORY, LONG, 1, 8)] * 50)) == 1


def test_a_directory_that_is_cut_short_counts_as_far_as_it_goes() -> None:
    exif = build_exif((ORIENTATION_TAG, SHORT, 1, 6), (ORIENTATION_TAG, SHORT, 1, 3))
    assert read_exif_orientation(exif[:25]) == 6


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
        b"II+\0" + build_exif((ORIENTATION_TAG, SHORT, 1, 6))[4:],
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
