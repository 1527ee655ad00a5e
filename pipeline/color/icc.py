"""Color profiles (ICC) as browsers read them: by the few tags that say what a profile does, never by name or class.

Source: ICC.1:2022; the checks are those of Chromium, which ignores the whole profile where one of them fails.
"""

import struct
from dataclasses import dataclass, field
from typing import TypeGuard

import numpy as np

from pipeline.color.coded import CodedColor, find_coded_color
from pipeline.color.curves import SAMPLES, SRGB_CURVE, Floats
from pipeline.color.icc_curves import read_curve
from pipeline.color.lookup_table import LookupTable, check_inverse_table, read_table

_HEADER = struct.Struct(">I4xI4x4s4s12x4s28x3i48x")
D50 = np.array([0.9642, 1.0, 0.8249])
"""the white of the connection space"""
_FARTHEST_WHITE = 0.01
_NEWEST_VERSION = 4
_VIDEO_TRANSFERS = (1, 6, 11)
"""code points that browsers take for sRGB's curve where a profile states them"""
Tags = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class IccProfile:
    """A color profile as it stands in a file.

    Browsers apply a profile to pixels of its own space, and one of RGB to gray pixels too. For `any_space` (PNG) they
    take one of a space that is neither gray nor CMYK for one of RGB. They convert CMYK to RGB before its profile is
    applied; for `keeps_black` (TIFF, which they do not show) the profile takes all four inks.
    """

    data: bytes = field(repr=False)
    any_space: bool = False
    keeps_black: bool = False

    def applies_to(self, mode: str, space: bytes) -> bool:
        """Tell whether browsers convert pixels of this mode (L, RGB or CMYK) by a profile of this space."""
        if mode == "CMYK" or space == b"CMYK":
            return mode == "CMYK" and space == b"CMYK"
        return space == b"RGB " or (mode == "L" and space == b"GRAY") or (self.any_space and space != b"GRAY")


@dataclass(frozen=True, slots=True, eq=False)
class MatrixProfile:
    """A profile of curves and a matrix to XYZ of D50. Shapes: light of each 8-bit sample (3, 256)."""

    space: bytes
    light: Floats
    to_xyz_d50: Floats


@dataclass(frozen=True, slots=True, eq=False)
class TableProfile:
    """A profile of a lookup table to Lab or to XYZ."""

    space: bytes
    table: LookupTable
    is_xyz: bool


@dataclass(frozen=True, slots=True, eq=False)
class CodedProfile:
    """A profile that states its color by code points too; they count."""

    space: bytes
    color: CodedColor


UsableProfile = MatrixProfile | TableProfile | CodedProfile


def read_profile(data: bytes) -> UsableProfile | None:
    """Read a profile; None if browsers ignore it."""
    try:
        return _read_profile(data)
    except (struct.error, IndexError, ValueError):
        return None


def _read_profile(data: bytes) -> UsableProfile | None:
    size, version, space, connection_space, signature, *white = _HEADER.unpack_from(data)
    illuminant = np.array(white) / 65536
    if len(data) < size or signature != b"acsp" or version >> 24 > _NEWEST_VERSION:
        return None
    if np.abs(illuminant - D50).max() > _FARTHEST_WHITE or connection_space not in (b"XYZ ", b"Lab "):
        return None
    tags = _read_tags(data[:size])
    is_xyz = connection_space == b"XYZ "
    if space == b"GRAY":
        matrix = _read_gray_profile(tags, illuminant if is_xyz else None)
    else:
        matrix = _read_matrix_profile(space, tags)
    table = _read_table_profile(space, tags, is_xyz=is_xyz)
    coded = _read_coded_profile(space, tags)
    return (coded or table or matrix) if table or matrix else None


def _read_tags(data: bytes) -> Tags:
    """Return the contents of the tags by their signatures; the first of a name counts."""
    tags: Tags = {}
    (count,) = struct.unpack_from(">I", data, _HEADER.size)
    start = _HEADER.size + 4
    if start + 12 * count > len(data):
        raise ValueError("the list of tags is cut")
    for signature, offset, size in struct.iter_unpack(">4sII", data[start : start + 12 * count]):
        if size < 4 or offset + size > len(data):
            raise ValueError("a tag is cut")
        tags.setdefault(signature, data[offset : offset + size])
    return tags


def _read_gray_profile(tags: Tags, illuminant: Floats | None) -> MatrixProfile | None:
    if b"kTRC" not in tags:
        return None
    light = read_curve(tags[b"kTRC"]).linearize(SAMPLES)
    return None if illuminant is None else MatrixProfile(b"GRAY", np.tile(light, (3, 1)), np.diag(illuminant))


def _read_matrix_profile(space: bytes, tags: Tags) -> MatrixProfile | None:
    curves = [read_curve(tag).linearize(SAMPLES) for tag in _find_channels(tags, b"TRC")]
    columns = [_read_xyz(tag) for tag in _find_channels(tags, b"XYZ")]
    return MatrixProfile(space, np.stack(curves), np.stack(columns, 1)) if curves and columns else None


def _find_channels(tags: Tags, suffix: bytes) -> list[bytes]:
    found = [tags.get(channel + suffix) for channel in (b"r", b"g", b"b")]
    return found if _is_complete(found) else []


def _is_complete(tags: list[bytes | None]) -> TypeGuard[list[bytes]]:
    return None not in tags


def _read_xyz(tag: bytes) -> Floats:
    kind, *numbers = struct.unpack_from(">4s4x3i", tag)
    if kind != b"XYZ ":
        raise ValueError("no XYZ numbers")
    return np.array(numbers) / 65536


def _read_table_profile(space: bytes, tags: Tags, *, is_xyz: bool) -> TableProfile | None:
    inverse = tags.get(b"B2A0", tags.get(b"B2A1"))
    if inverse is not None:
        check_inverse_table(inverse)
    table = tags.get(b"A2B0", tags.get(b"A2B1"))
    return None if table is None else TableProfile(space, read_table(table, is_xyz=is_xyz), is_xyz)


def _read_coded_profile(space: bytes, tags: Tags) -> CodedProfile | None:
    if b"cicp" not in tags:
        return None
    kind, primaries, transfer, matrix, full_range = struct.unpack_from(">4s4x4B", tags[b"cicp"])
    if kind != b"cicp":
        raise ValueError("no code points")
    color = find_coded_color(primaries, transfer)
    if color is None or matrix != 0 or full_range != 1:
        return None
    if transfer in _VIDEO_TRANSFERS:
        color = CodedColor(color.primaries, SRGB_CURVE)
    return CodedProfile(space, color)
