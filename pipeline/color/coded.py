"""Colors that a file states by numbers: cICP and gAMA with cHRM in PNG, nclx in AVIF, HEIC and JPEG XL."""

import enum
import struct
from dataclasses import astuple, dataclass

import numpy as np

from pipeline.color.curves import SRGB_CURVE, Curve, Floats

REFERENCE_PEAK_NITS = 1000.0


@dataclass(frozen=True, slots=True)
class Primaries:
    """The chromaticities (x and y of CIE 1931) of white and of the three primaries."""

    white_x: float
    white_y: float
    red_x: float
    red_y: float
    green_x: float
    green_y: float
    blue_x: float
    blue_y: float

    def compute_to_xyz(self) -> Floats | None:
        """Return the matrix from linear RGB to XYZ, None for values that browsers do not take."""
        x, y = np.array(astuple(self)).reshape(4, 2).T
        if min(x.min(), y.min()) < 0 or max(x.max(), y.max()) > 1:
            return None
        rgb = np.array([x[1:], y[1:], 1 - x[1:] - y[1:]])
        if abs(np.linalg.det(rgb)) < _LEAST_DETERMINANT:
            return None
        return np.asarray(rgb * np.linalg.solve(rgb, self._compute_white()))

    def compute_to_xyz_d50(self) -> Floats | None:
        """Return the same matrix with its white adapted to D50, as in profiles."""
        if (to_xyz := self.compute_to_xyz()) is None:
            return None
        if self.white_y == 0:
            return np.zeros((3, 3))  # browsers paint black
        scales = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ self._compute_white()))
        return np.asarray(np.linalg.inv(_BRADFORD) @ scales @ _BRADFORD @ to_xyz)

    def _compute_white(self) -> Floats:
        y = self.white_y or 1.0
        return np.array([self.white_x / y, 1.0, (1 - self.white_x - y) / y])


class HdrTransfer(enum.Enum):
    """A transfer function of high dynamic range, whose light is tone-mapped."""

    PQ = 16
    HLG = 18


@dataclass(frozen=True, slots=True)
class CodedColor:
    """A color by its primaries and its transfer function; samples are RGB of full range.

    `peak_nits` is the brightest light of the picture; it counts for an `HdrTransfer` only.
    """

    primaries: Primaries
    transfer: Curve | HdrTransfer
    peak_nits: float = REFERENCE_PEAK_NITS


_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.96422, 1.0, 0.82521])
"""the white to which Chromium adapts others; that of profiles has other last digits"""
_LEAST_DETERMINANT = 1e-9
_D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)
BT709 = Primaries(*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
BT2020 = Primaries(*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
_BT601 = Primaries(*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
_PRIMARIES = {
    1: BT709,
    4: Primaries(*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: Primaries(*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: _BT601,
    7: _BT601,
    8: Primaries(*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: BT2020,
    10: Primaries(1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: Primaries(0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: Primaries(*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: Primaries(*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_BT1886 = Curve(2.4)
_TRANSFERS: dict[int, Curve | HdrTransfer] = {
    1: _BT1886,
    4: Curve(2.2),
    5: Curve(2.8),
    6: _BT1886,
    7: Curve(1 / 0.45, 0.899626676224, 0.100373323776, 0.25, 0.091286342118),
    8: Curve(1.0),
    11: _BT1886,
    13: SRGB_CURVE,
    14: _BT1886,
    15: _BT1886,
    16: HdrTransfer.PQ,
    17: Curve(2.6, 1.034080527699),
    18: HdrTransfer.HLG,
}
_NEUTRAL_GAMMAS = (0.95, 1.05)
"""gAMA times 2.2 that browsers take for sRGB's, without cHRM"""


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
    if gama is None or len(gama) != 4 or (gamma := int.from_bytes(gama)) == 0:
        return None
    if chrm is None or len(chrm) != 32:
        least, most = _NEUTRAL_GAMMAS
        return None if least < 2.2 * gamma / 100_000 < most else CodedColor(BT709, Curve(100_000 / gamma))
    primaries = Primaries(*(value / 100_000 for value in struct.unpack(">8i", chrm)))
    return CodedColor(primaries, Curve(100_000 / gamma))


def read_peak_nits(clli: bytes | None, mdcv: bytes | None) -> float:
    """Return the brightest light of a PNG by these chunks: that of the picture, else that of its author's display."""
    content = int.from_bytes(clli[:4]) if clli and len(clli) == 8 else 0
    display = int.from_bytes(mdcv[16:20]) if mdcv and len(mdcv) == 24 else 0
    return (content or display) / 10_000 or REFERENCE_PEAK_NITS
