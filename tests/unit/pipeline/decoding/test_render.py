import pytest
from PIL import Image

from pipeline.color.coded import BT709, CodedColor
from pipeline.color.curves import Curve
from pipeline.color.icc import IccProfile
from pipeline.decoding.frame import Frame
from pipeline.decoding.render import render, render_over_white
from tests.support.image_files.icc import build_gray_profile

LINEAR = CodedColor(BT709, Curve(1.0))


@pytest.mark.parametrize(
    ("mode", "color", "painted"),
    [
        ("RGBA", (128, 128, 128, 128), (221, 221, 221)),
        ("RGBA", (128, 128, 128, 0), (255, 255, 255)),
        ("LA", (128, 128), (221, 221, 221)),
        ("RGB", (128, 0, 255), (188, 0, 255)),
        ("L", 128, (188, 188, 188)),
    ],
)
def test_colors_are_converted_before_they_are_laid_over_white(
    mode: str, color: int | tuple[int, ...], painted: tuple[int, ...]
) -> None:
    pixels = render_over_white(Image.new(mode, (2, 2), color), LINEAR)
    assert all(abs(a - b) <= 1 for a, b in zip(pixels.getpixel((0, 0)), painted, strict=True))  # type: ignore[arg-type] # RGB


def test_a_gray_profile_applies_to_gray_pixels_with_transparency() -> None:
    pixels = render_over_white(Image.new("LA", (2, 2), (128, 255)), IccProfile(build_gray_profile()))
    assert pixels.getpixel((0, 0)) == (188, 188, 188)


def test_cmyk_without_a_profile() -> None:
    pixels = render(Frame(Image.new("CMYK", (2, 2), (0, 255, 255, 0))))
    assert (pixels.mode, pixels.getpixel((0, 0))) == ("RGB", (255, 0, 0))


def test_pixels_of_srgb_are_not_copied() -> None:
    image = Image.new("RGB", (4, 4), (1, 2, 3))
    assert render_over_white(image, None) is image


def test_the_picture_is_turned_and_loses_its_metadata() -> None:
    image = Image.new("RGB", (4, 2))
    image.info["comment"] = "place and camera"
    pixels = render(Frame(image, orientation=6))
    assert (pixels.size, pixels.info) == ((2, 4), {})
