"""Curves of color profiles: parameters or a table."""

import struct
from dataclasses import dataclass

import numpy as np

from pipeline.color.curves import Curve, Floats

_PARAMETER_COUNTS = (1, 3, 4, 5, 7)


@dataclass(frozen=True, slots=True, eq=False)
class TableCurve:
    """A curve by its values at even steps from 0 to 1."""

    values: Floats

    def linearize(self, samples: Floats) -> Floats:
        return np.interp(samples * (len(self.values) - 1), np.arange(len(self.values)), self.values)


ProfileCurve = Curve | TableCurve


def read_curve(tag: bytes) -> ProfileCurve:
    """Read a curve that stands at the begin of these bytes. Raises: ValueError, struct.error, IndexError if broken."""
    return read_curves(tag, 0, 1)[0]


def read_curves(tag: bytes, offset: int, count: int) -> list[ProfileCurve]:
    """Read curves that follow each other, each one from a multiple of four bytes on."""
    curves: list[ProfileCurve] = []
    for _ in range(count):
        curve, size = _read_sized_curve(tag[offset:])
        curves.append(curve)
        offset += size + -size % 4
    return curves


def _read_sized_curve(tag: bytes) -> tuple[ProfileCurve, int]:
    if tag.startswith(b"para"):
        return _read_parametric_curve(tag)
    if not tag.startswith(b"curv"):
        raise ValueError("no curve")
    (count,) = struct.unpack_from(">I", tag, 8)
    table = np.frombuffer(tag, ">u2", count, 12)
    if count < 2:
        return Curve(float(table[0]) / 256 if count else 1.0), 12 + 2 * count
    return TableCurve(table / 65535), 12 + 2 * count


def _read_parametric_curve(tag: bytes) -> tuple[Curve, int]:
    (kind,) = struct.unpack_from(">H", tag, 8)
    count = _PARAMETER_COUNTS[kind]
    g, *rest = (number / 65536 for number in struct.unpack_from(f">{count}i", tag, 12))
    if kind in (1, 2):
        a, b, *offsets = rest
        offset = sum(offsets)
        curve = Curve(g, a, b, 0.0, -b / a if a else -1.0, offset, offset)
    else:
        curve = Curve(g, *rest)
    if not curve.is_valid():
        raise ValueError("parameters of no curve")
    return curve, 12 + 4 * count
