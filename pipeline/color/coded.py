"""Colors that a file states by numbers: cICP and gAMA with cHRM in PNG, nclx in AVIF, HEIC and JPEG XL."""

import enum
import struct
from dataclasses import dataclass

Chromaticity = tuple[float, float]
"""x and y of CIE 1931"""


@dataclass(frozen=True, slots=True)
class Primaries:
    """The chromaticities of white and of the three primaries."""

    white: Chromaticity
    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity


@dataclass(frozen=True, slots=True)
class Curve:
    """A transfer function: (a x + b)^g + e from x = d on, c x + f below."""

    g: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0


class HdrTransfer(enum.Enum):
    """A transfer function of high dynamic range, whose light is tone-mapped."""

    PQ = 16
    HLG = 18


@dataclass(frozen=True, slots=True)
class CodedColor:
    """A color by its primaries and its transfer function; samples are RGB of full range."""

    primaries: Primaries
    transfer: Curve | HdrTransfer


_D65 = (0.3127, 0.3290)
BT709 = Primaries(_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_PRIMARIES = {
    1: BT709,
    9: Primaries(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: Primaries(_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_TRANSFERS: dict[int, Curve | HdrTransfer] = {
    4: Curve(2.2),
    5: Curve(2.8),
    8: Curve(1.0),
    13: SRGB_CURVE,
    16: HdrTransfer.PQ,
    18: HdrTransfer.HLG,
}
SRGB = CodedColor(BT709, SRGB_CURVE)


def find_coded_color(primaries: int, transfer: int) -> CodedColor | None:
    """Return the color of these code points, None if browsers do not know one of them. Source: ITU-T H.273."""
    if primaries not in _PRIMARIES or transfer not in _TRANSFERS:
        return None
    return CodedColor(_PRIMARIES[primaries], _TRANSFERS[transfer])


def read_cicp(content: bytes) -> CodedColor | None:
    """Return the color that a PNG's cICP chunk states, None if browsers ignore the chunk."""
    if len(content) != 4:
        return None
    primaries, transfer, matrix, full_range = content
    return find_coded_color(primaries, transfer) if matrix == 0 and full_range == 1 else None


def read_gama_and_chrm(gama: bytes | None, chrm: bytes | None) -> CodedColor | None:
    """Return the color that these two chunks of a PNG state, None for sRGB."""
    if gama is None or len(gama) != 4:
        return None
    gamma = int.from_bytes(gama) / 100_000
    if gamma == 0:
        return None
    if chrm is None or len(chrm) != 32:
        return CodedColor(BT709, Curve(1 / gamma))
    white_x, white_y, *rgb = (value / 100_000 for value in struct.unpack(">8I", chrm))
    primaries = Primaries((white_x, white_y), (rgb[0], rgb[1]), (rgb[2], rgb[3]), (rgb[4], rgb[5]))
    return CodedColor(primaries, Curve(1 / gamma))
