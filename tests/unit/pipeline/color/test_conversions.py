import numpy as np
from PIL import Image

from pipeline.color.coded import BT709, CodedColor, Primaries
from pipeline.color.conversions import find_conversion
from pipeline.color.curves import SRGB_CURVE, Curve
from pipeline.color.icc import IccProfile
from tests.support.image_files.icc import (
    P3_COLUMNS,
    SRGB_COLUMNS,
    build_gray_profile,
    build_rgb_profile,
    write_gamma,
    write_parameters,
)


def test_a_color_is_decided_once() -> None:
    data = build_rgb_profile(SRGB_COLUMNS, write_gamma(1.7))
    before = find_conversion.cache_info().misses
    conversions = [find_conversion(IccProfile(bytes(bytearray(data))), "RGB") for _ in range(3)]
    assert find_conversion.cache_info().misses == before + 1
    assert conversions[0] is conversions[2]


def test_the_decisions_that_are_kept_are_few() -> None:
    assert find_conversion.cache_info().maxsize == 8


def test_what_is_srgb_needs_no_conversion() -> None:
    assert find_conversion(CodedColor(BT709, SRGB_CURVE), "RGB") is None
    assert find_conversion(IccProfile(build_gray_profile(write_gamma(2.2))), "RGB") is None


def test_primaries_that_browsers_do_not_take_change_nothing() -> None:
    assert find_conversion(CodedColor(Primaries(0, 0, 0, 0, 0, 0, 0, 0), Curve(1.0)), "RGB") is None


def test_a_white_without_luminance_makes_everything_black() -> None:
    primaries = Primaries(0.3127, 0.0, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
    conversion = find_conversion(CodedColor(primaries, Curve(2.2)), "RGB")
    assert conversion is not None
    assert not np.asarray(conversion(Image.new("RGB", (2, 2), (200, 100, 50)))).any()


def test_gray_pixels_become_three_channels() -> None:
    conversion = find_conversion(IccProfile(build_gray_profile()), "L")
    assert conversion is not None
    converted = conversion(Image.new("L", (3, 2), 128))
    assert (converted.mode, converted.size, converted.getpixel((0, 0))) == ("RGB", (3, 2), (188, 188, 188))


def test_light_beyond_white_reaches_the_other_channels_as_in_chromium() -> None:
    """Chromium clamps the light of channels that have curves of their own, unless the primaries are those of sRGB."""
    gray = Image.new("RGB", (1, 1), (120, 120, 120))
    usual, steep = write_gamma(2.2), write_parameters(1, 2.2, 250.0, 0.0)
    converted = {}
    for name, columns in (("p3", P3_COLUMNS), ("srgb", SRGB_COLUMNS)):
        conversion = find_conversion(IccProfile(build_rgb_profile(columns, usual, steep, usual)), "RGB")
        assert conversion is not None
        converted[name] = np.asarray(conversion(gray))[0, 0].tolist()
    assert 0 < converted["p3"][0] < 120
    assert converted["p3"][1] >= 250
    assert 0 < converted["p3"][2] < 120
    assert abs(converted["srgb"][0] - 120) <= 2
    assert converted["srgb"][1] == 255
