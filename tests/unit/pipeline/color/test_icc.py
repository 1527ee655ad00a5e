import pytest

from pipeline.color.icc import CodedProfile, IccProfile, MatrixProfile, TableProfile, read_profile
from tests.support.image_files.icc import (
    P3_COLUMNS,
    build_gray_profile,
    build_plain_table,
    build_profile,
    build_rgb_profile,
    build_table_profile,
    compute_lab,
    write_gamma,
    write_xyz,
)

TABLE = build_plain_table(compute_lab)
USABLE = {
    "matrix": (build_rgb_profile(), MatrixProfile),
    "gray": (build_gray_profile(), MatrixProfile),
    "table": (build_table_profile(TABLE), TableProfile),
    "table for the other intent": (build_table_profile(TABLE, tag=b"A2B1"), TableProfile),
    "table beside a matrix": (build_rgb_profile(extra={b"A2B0": TABLE}), TableProfile),
    "code points beside a table": (
        build_rgb_profile(extra={b"A2B0": TABLE, b"cicp": b"cicp" + bytes([0, 0, 0, 0, 12, 13, 0, 1])}),
        CodedProfile,
    ),
    "code points of limited range": (
        build_rgb_profile(extra={b"cicp": b"cicp" + bytes([0, 0, 0, 0, 12, 13, 0, 0])}),
        MatrixProfile,
    ),
    "any class": (build_rgb_profile(profile_class=b"link"), MatrixProfile),
    "old version": (build_rgb_profile(version=0), MatrixProfile),
    "a white close to D50": (build_rgb_profile(white=(0.96, 1.0, 0.82)), MatrixProfile),
    "bytes behind it": (build_rgb_profile() + b"more", MatrixProfile),
}
IGNORED = {
    "empty": b"",
    "header only": build_rgb_profile()[:128],
    "cut": build_rgb_profile()[:-10],
    "other signature": build_rgb_profile(signature=b"none"),
    "newer version": build_rgb_profile(version=5),
    "another white": build_rgb_profile(white=(0.95, 1.0, 1.09)),
    "other connection space": build_rgb_profile(connection_space=b"RGB "),
    "list of tags cut": build_rgb_profile()[:128] + (10_000).to_bytes(4) + build_rgb_profile()[132:],
    "a curve missing": build_profile(dict.fromkeys((b"rXYZ", b"gXYZ", b"bXYZ"), write_xyz((0.3, 0.3, 0.3)))),
    "a broken curve": build_rgb_profile(P3_COLUMNS, write_gamma(2.2), write_gamma(2.2), b"none" + bytes(8)),
    "a broken column": build_rgb_profile(extra={b"rXYZ": b"none" + bytes(16)}),
    "a broken table beside a matrix": build_rgb_profile(extra={b"A2B0": b"mft2" + bytes(60)}),
    "a broken inverse table": build_rgb_profile(extra={b"B2A0": b"mft2" + bytes(60)}),
    "a table for saturation only": build_table_profile(TABLE, tag=b"A2B2"),
    "gray to Lab": build_gray_profile(connection_space=b"Lab "),
    "gray by tags of RGB": build_rgb_profile(space=b"GRAY"),
    "code points that are cut": build_rgb_profile(extra={b"cicp": b"cicp" + bytes(5)}),
    "code points of another kind": build_rgb_profile(extra={b"cicp": b"none" + bytes([0, 0, 0, 0, 12, 13, 0, 1])}),
}


@pytest.mark.parametrize("name", USABLE)
def test_profiles_that_browsers_use(name: str) -> None:
    data, kind = USABLE[name]
    assert isinstance(read_profile(data), kind)


@pytest.mark.parametrize("name", IGNORED)
def test_profiles_that_browsers_ignore(name: str) -> None:
    assert read_profile(IGNORED[name]) is None


def test_video_curves_in_a_profile_are_those_of_srgb() -> None:
    by_transfer = [
        read_profile(build_rgb_profile(extra={b"cicp": b"cicp" + bytes([0, 0, 0, 0, 12, transfer, 0, 1])}))
        for transfer in (1, 6, 11, 13)
    ]
    colors = {profile.color for profile in by_transfer if isinstance(profile, CodedProfile)}
    assert (len(by_transfer), len(colors)) == (4, 1)


@pytest.mark.parametrize(
    ("mode", "space", "any_space", "applies"),
    [
        ("RGB", b"RGB ", False, True),
        ("RGB", b"GRAY", False, False),
        ("RGB", b"GRAY", True, False),
        ("RGB", b"CMYK", True, False),
        ("RGB", b"HSV ", False, False),
        ("RGB", b"HSV ", True, True),
        ("L", b"GRAY", False, True),
        ("L", b"RGB ", False, True),
        ("L", b"CMYK", True, False),
        ("CMYK", b"CMYK", False, True),
        ("CMYK", b"RGB ", False, False),
    ],
)
def test_the_spaces_that_apply_to_pixels(mode: str, space: bytes, any_space: bool, applies: bool) -> None:
    assert IccProfile(b"", any_space).applies_to(mode, space) is applies
