"""Colors of files become what Chromium paints: each expected color was read from its canvas."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from pipeline.color.coded import find_coded_color, read_gama_and_chrm
from pipeline.color.icc import IccProfile
from pipeline.color.srgb import Color, convert_to_srgb
from tests.support.image_files.icc import (
    P3_COLUMNS,
    SRGB_COLUMNS,
    SWAPPED_COLUMNS,
    Array,
    build_gray_profile,
    build_plain_table,
    build_rgb_profile,
    build_staged_table,
    build_table_profile,
    compute_lab,
    write_curve,
    write_gamma,
    write_parameters,
)

COLORS = [(0, 0, 0), (16, 32, 48), (128, 128, 128), (200, 40, 40), (40, 180, 60), (50, 70, 200), (255, 255, 255)]
P3_MATRIX = [*np.array(P3_COLUMNS).T.ravel() / 2, 0, 0, 0]
P3_CHROMATICITIES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
MOST_LEVELS = 2
"""between our samples and those of Chromium"""
BY_CODE_POINTS: dict[tuple[int, int], list[tuple[int, ...]]] = {
    (1, 1): [(0, 0, 0), (4, 20, 37), (121, 121, 121), (197, 28, 28), (28, 176, 49), (39, 60, 197), (255, 255, 255)],
    (1, 4): [(0, 0, 0), (7, 26, 44), (129, 129, 129), (201, 35, 35), (35, 181, 57), (46, 68, 201), (255, 255, 255)],
    (1, 5): [(0, 0, 0), (1, 10, 24), (106, 106, 106), (189, 17, 17), (17, 165, 36), (26, 46, 189), (255, 255, 255)],
    (1, 7): [(0, 0, 0), (34, 50, 66), (141, 141, 141), (206, 58, 58), (58, 188, 77), (68, 87, 206), (255, 255, 255)],
    (1, 8): [
        (0, 0, 0),
        (71, 99, 120),
        (188, 188, 188),
        (229, 110, 110),
        (110, 219, 133),
        (122, 143, 229),
        (255, 255, 255),
    ],
    (1, 17): [(0, 0, 0), (3, 15, 32), (118, 118, 118), (200, 23, 23), (23, 177, 44), (34, 55, 200), (255, 255, 255)],
    (4, 13): [(0, 0, 0), (0, 34, 49), (128, 128, 128), (237, 21, 18), (0, 177, 46), (0, 88, 206), (255, 255, 255)],
    (5, 13): [(0, 0, 0), (15, 32, 48), (128, 128, 128), (204, 40, 40), (6, 180, 63), (49, 70, 199), (255, 255, 255)],
    (6, 13): [(0, 0, 0), (18, 32, 48), (128, 128, 128), (195, 49, 39), (59, 177, 59), (56, 74, 200), (255, 255, 255)],
    (8, 13): [(0, 0, 0), (6, 32, 49), (128, 128, 128), (227, 0, 24), (0, 185, 39), (37, 65, 207), (255, 255, 255)],
    (9, 13): [(0, 0, 0), (0, 33, 50), (128, 128, 128), (249, 0, 27), (0, 190, 14), (0, 70, 209), (255, 255, 255)],
    (10, 13): [(0, 0, 0), (0, 43, 49), (128, 128, 128), (255, 0, 67), (0, 240, 0), (0, 94, 211), (255, 255, 255)],
    (11, 13): [(0, 0, 0), (12, 32, 49), (128, 128, 128), (213, 0, 27), (0, 183, 30), (45, 70, 208), (255, 255, 255)],
    (12, 13): [(0, 0, 0), (10, 33, 49), (128, 128, 128), (218, 0, 26), (0, 183, 30), (44, 71, 208), (255, 255, 255)],
    (22, 13): [(0, 0, 0), (15, 32, 48), (128, 128, 128), (202, 50, 39), (25, 176, 60), (50, 79, 200), (255, 255, 255)],
    (9, 16): [(0, 0, 0), (0, 5, 16), (132, 132, 132), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)],
    (12, 16): [(0, 0, 0), (0, 5, 16), (132, 132, 132), (255, 0, 0), (0, 251, 0), (3, 17, 255), (255, 255, 255)],
    (9, 18): [(0, 0, 0), (0, 15, 26), (99, 99, 99), (230, 0, 13), (0, 170, 0), (0, 49, 179), (255, 255, 255)],
    (12, 18): [(0, 0, 0), (1, 15, 27), (99, 99, 99), (199, 0, 11), (0, 164, 17), (30, 52, 180), (255, 255, 255)],
    (1, 18): [(0, 0, 0), (4, 14, 26), (99, 99, 99), (181, 29, 29), (31, 162, 50), (35, 51, 173), (255, 255, 255)],
}
BY_GAMMA: dict[tuple[int, bool], list[tuple[int, ...]]] = {
    (2300, False): [(0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (255, 255, 255)],
    (55556, False): [
        (0, 0, 0),
        (20, 43, 63),
        (146, 146, 146),
        (210, 53, 53),
        (53, 193, 77),
        (65, 88, 210),
        (255, 255, 255),
    ],
    (100000, False): [
        (0, 0, 0),
        (71, 99, 120),
        (188, 188, 188),
        (229, 110, 110),
        (110, 219, 133),
        (122, 143, 229),
        (255, 255, 255),
    ],
    (45455, True): [
        (0, 0, 0),
        (1, 27, 46),
        (129, 129, 129),
        (220, 0, 18),
        (0, 185, 23),
        (40, 69, 209),
        (255, 255, 255),
    ],
    (100000, True): [
        (0, 0, 0),
        (62, 100, 122),
        (188, 188, 188),
        (246, 101, 106),
        (51, 222, 124),
        (117, 144, 236),
        (255, 255, 255),
    ],
    (2147483647, False): [
        (0, 0, 0),
        (255, 255, 255),
        (255, 255, 255),
        (255, 255, 255),
        (255, 255, 255),
        (255, 255, 255),
        (255, 255, 255),
    ],
    (43000, False): [
        (0, 0, 0),
        (5, 22, 39),
        (124, 124, 124),
        (199, 31, 31),
        (31, 178, 52),
        (41, 63, 199),
        (255, 255, 255),
    ],
}
BY_PROFILE = {
    "wide primaries": (
        build_rgb_profile(),
        [(0, 0, 0), (1, 27, 46), (129, 129, 129), (220, 0, 17), (0, 185, 23), (40, 69, 209), (255, 255, 255)],
    ),
    "linear, named as sRGB": (
        build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0)),
        [(0, 0, 0), (71, 99, 120), (188, 188, 188), (229, 110, 110), (110, 219, 133), (122, 143, 229), (255, 255, 255)],
    ),
    "red and blue exchanged": (
        build_rgb_profile(SWAPPED_COLUMNS),
        [(0, 0, 0), (44, 26, 7), (129, 129, 129), (35, 35, 201), (57, 181, 35), (201, 68, 46), (255, 255, 255)],
    ),
    "a curve for each channel": (
        build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0), write_gamma(2.0), write_gamma(3.0)),
        [(0, 0, 0), (71, 34, 19), (188, 137, 100), (229, 43, 13), (110, 187, 30), (122, 78, 185), (255, 255, 255)],
    ),
    "steep": (
        build_rgb_profile(SRGB_COLUMNS, write_gamma(20.0)),
        [(0, 0, 0), (0, 0, 0), (0, 0, 0), (21, 0, 0), (0, 3, 0), (0, 0, 21), (255, 255, 255)],
    ),
    "a curve of points": (
        build_rgb_profile(SRGB_COLUMNS, write_curve([0, 0.1, 0.5, 1])),
        [(0, 0, 0), (37, 55, 67), (149, 149, 149), (215, 61, 61), (61, 197, 75), (69, 81, 215), (255, 255, 255)],
    ),
    "seven parameters": (
        build_rgb_profile(SRGB_COLUMNS, write_parameters(4, 2.0, 0.8, 0.1, 0.3, 0.2, 0.1, 0.02)),
        [(39, 39, 39), (55, 68, 78), (160, 160, 160), (208, 73, 73), (73, 194, 119), (79, 124, 208), (245, 245, 245)],
    ),
    "three parameters": (
        build_rgb_profile(SRGB_COLUMNS, write_parameters(1, 1.5, 1.1, -0.1)),
        [(0, 0, 0), (0, 21, 53), (150, 150, 150), (213, 38, 38), (38, 197, 71), (56, 85, 213), (255, 255, 255)],
    ),
    "table of 16 bits to Lab": (
        build_table_profile(build_plain_table(compute_lab)),
        [(0, 0, 0), (15, 27, 45), (129, 129, 129), (220, 0, 16), (0, 185, 25), (45, 69, 209), (255, 255, 255)],
    ),
    "table of 8 bits to Lab": (
        build_table_profile(build_plain_table(compute_lab, width=1)),
        [(0, 0, 0), (15, 27, 45), (129, 129, 129), (219, 0, 16), (0, 184, 24), (45, 69, 209), (255, 255, 255)],
    ),
    "table of stages to Lab": (
        build_table_profile(build_staged_table(compute_lab), version=4),
        [(0, 0, 0), (15, 27, 45), (129, 129, 129), (220, 0, 16), (0, 185, 25), (45, 69, 209), (255, 255, 255)],
    ),
    "matrix and curves of stages": (
        build_table_profile(
            build_staged_table(None, matrix=P3_MATRIX, middle=write_gamma(2.2)), connection_space=b"XYZ ", version=4
        ),
        [(0, 0, 0), (1, 27, 46), (129, 129, 129), (220, 0, 18), (0, 185, 23), (40, 69, 209), (255, 255, 255)],
    ),
    "table to XYZ": (
        build_table_profile(build_plain_table(lambda colors: colors[:, ::-1] / 2), connection_space=b"XYZ "),
        [(0, 0, 0), (117, 48, 54), (139, 135, 152), (0, 83, 194), (0, 198, 55), (250, 0, 103), (190, 185, 207)],
    ),
    "code points in a profile": (
        build_rgb_profile(SRGB_COLUMNS, extra={b"cicp": b"cicp" + bytes([0, 0, 0, 0, 12, 13, 0, 1])}),
        [(0, 0, 0), (10, 33, 49), (128, 128, 128), (218, 0, 26), (0, 183, 30), (44, 71, 208), (255, 255, 255)],
    ),
}


def convert_colors(colors: Sequence[tuple[int, ...]], color: Color, mode: str = "RGB") -> Array:
    pixels = Image.new(mode, (len(colors), 1))
    pixels.putdata(colors if mode != "L" else [level for (level,) in colors])
    converted = convert_to_srgb(pixels, color)
    assert converted.mode == "RGB"
    return np.asarray(converted)[0].astype(int)


def differ(converted: Array, expected: Sequence[tuple[int, ...]]) -> int:
    return int(np.abs(converted - np.array(expected)).max())


@pytest.mark.parametrize("code_points", BY_CODE_POINTS, ids=str)
def test_code_points_are_converted(code_points: tuple[int, int]) -> None:
    color = find_coded_color(*code_points)
    assert color is not None
    assert differ(convert_colors(COLORS, color), BY_CODE_POINTS[code_points]) <= MOST_LEVELS


@pytest.mark.parametrize("gamma", BY_GAMMA, ids=str)
def test_gamma_and_chromaticities_are_converted(gamma: tuple[int, bool]) -> None:
    gama, has_chrm = gamma
    chrm = b"".join(number.to_bytes(4) for number in P3_CHROMATICITIES) if has_chrm else None
    color = read_gama_and_chrm(gama.to_bytes(4), chrm)
    assert color is not None
    assert differ(convert_colors(COLORS, color), BY_GAMMA[gamma]) <= MOST_LEVELS


@pytest.mark.parametrize("name", BY_PROFILE)
def test_profiles_are_applied_by_what_they_do(name: str) -> None:
    data, expected = BY_PROFILE[name]
    assert differ(convert_colors(COLORS, IccProfile(data)), expected) <= MOST_LEVELS


@pytest.mark.parametrize("data", [build_gray_profile(), build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0))])
def test_gray_pixels_take_profiles_of_gray_and_of_rgb(data: bytes) -> None:
    assert convert_colors([(0,), (64,), (128,), (255,)], IccProfile(data), "L")[:, 0].tolist() == [0, 137, 188, 255]


def test_a_profile_can_color_gray_pixels() -> None:
    data = build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0), write_gamma(2.0), write_gamma(3.0))
    assert differ(convert_colors([(128,)], IccProfile(data), "L"), [(188, 137, 100)]) <= MOST_LEVELS


@pytest.mark.parametrize(
    ("mode", "data"),
    [
        ("RGB", build_gray_profile()),
        ("RGB", build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0), space=b"CMYK")),
        ("RGB", build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0), space=b"Lab ")),
        ("L", build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0), space=b"CMYK")),
        ("CMYK", build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0))),
    ],
)
def test_a_profile_of_another_space_is_ignored(mode: str, data: bytes) -> None:
    pixels = Image.new(mode, (4, 4), tuple([60, 90, 120, 40][: len(mode)]) if mode != "L" else 60)
    assert convert_to_srgb(pixels, IccProfile(data)).tobytes() == pixels.convert("RGB").tobytes()


def test_png_takes_profiles_of_any_space_for_rgb() -> None:
    data = build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0), space=b"Lab ")
    assert convert_colors([(128, 128, 128)], IccProfile(data, any_space=True)).tolist() == [[188, 188, 188]]


def mix_inks(inks: Array) -> Array:
    return compute_lab((1 - inks[:, :3]) * (1 - inks[:, 3:]) * 0.9 + 0.05, columns=SRGB_COLUMNS)


def test_cmyk_becomes_rgb_before_its_profile_is_applied() -> None:
    inks = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 0, 128), (64, 128, 32, 0), (0, 0, 0, 255), (32, 64, 200, 90)]
    painted = [(243, 243, 243), (5, 243, 243), (128, 5, 128), (186, 128, 215), (5, 5, 5), (144, 125, 40)]
    data = build_table_profile(build_plain_table(mix_inks, inputs=4), space=b"CMYK")
    assert differ(convert_colors(inks, IccProfile(data), "CMYK"), painted) <= MOST_LEVELS


def test_a_profile_takes_all_inks_where_no_browser_decides() -> None:
    data = build_table_profile(build_plain_table(mix_inks, inputs=4), space=b"CMYK")
    inks = [(0, 0, 0, 0), (0, 0, 0, 255), (0, 0, 0, 128), (255, 0, 0, 128)]
    printed = [(243, 243, 243), (5, 5, 5), (128, 128, 128), (5, 128, 128)]
    assert differ(convert_colors(inks, IccProfile(data, keeps_black=True), "CMYK"), printed) <= MOST_LEVELS


def test_a_true_profile_of_srgb_costs_nothing() -> None:
    data = build_rgb_profile(SRGB_COLUMNS, write_parameters(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    pixels = Image.new("RGB", (4, 4), (12, 34, 56))
    assert convert_to_srgb(pixels, IccProfile(data)) is pixels


def test_a_profile_that_is_too_large_to_be_kept_is_applied() -> None:
    data = build_rgb_profile(SRGB_COLUMNS, write_gamma(1.0), extra={b"long": bytes(5_000_000)})
    assert convert_colors([(128, 128, 128)], IccProfile(data)).tolist() == [[188, 188, 188]]
