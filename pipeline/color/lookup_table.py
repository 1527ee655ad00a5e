"""Lookup tables of color profiles: curves, a grid of colors, a matrix; read and applied as browsers do.

The numbers of a table are fractions of their range: 1 is L* = 100, and XYZ of 1.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.color.curves import Floats
from pipeline.color.icc_curves import ProfileCurve, TableCurve, read_curves

_SAMPLE_BYTES = {b"mft1": 1, b"mft2": 2}
_MOST_INPUTS = 4
_OUTPUTS = 3
_XYZ_RANGE = 65535 / 32768
_MOST_CURVE_POINTS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """Leads colors to the connection space: input curves, grid, middle curves, matrix, output curves.

    Shapes: grid (points of each input..., 3), matrix (3, 4). Without a grid, the input curves are absent too.
    """

    input_curves: list[ProfileCurve]
    grid: Floats | None
    middle_curves: list[ProfileCurve]
    matrix: Floats | None
    output_curves: list[ProfileCurve]

    def look_up(self, axes: Sequence[Floats]) -> Floats:
        """Return the colors of the connection space, from 0 to 1, for all combinations of samples.

        `axes` holds the samples of up to four channels; a table of fewer inputs takes the first ones.
        Shapes: (R,), (G,), (B,), (K,) to (R, G, B, K, 3).
        """
        shape = tuple(len(samples) for samples in axes)
        if self.grid is None:
            colors = np.stack(np.meshgrid(*axes[:_OUTPUTS], indexing="ij"), -1)
        else:
            colors = self._interpolate(axes)
        unread = [1] * (len(axes) + 1 - colors.ndim)
        colors = np.broadcast_to(colors.reshape(*colors.shape[:-1], *unread, _OUTPUTS), (*shape, _OUTPUTS))
        colors = colors.reshape(-1, _OUTPUTS)
        if self.matrix is not None:
            colors = _apply(self.middle_curves, colors) @ self.matrix[:, :3].T + self.matrix[:, 3]
        return _apply(self.output_curves, colors).reshape(*shape, _OUTPUTS)

    def _interpolate(self, axes: Sequence[Floats]) -> Floats:
        """Mix the points of the grid along one axis after the other, each by its distance from the samples."""
        assert self.grid is not None
        colors = self.grid
        for axis, (curve, samples) in enumerate(zip(self.input_curves, axes, strict=False)):
            points = colors.shape[axis]
            places = curve.linearize(samples).clip(0.0, 1.0) * (points - 1)
            shares = np.maximum(1 - np.abs(places[:, None] - np.arange(points)), 0.0)
            colors = np.moveaxis(np.tensordot(shares, colors, (1, axis)), 0, axis)
        return colors


def read_table(tag: bytes, *, is_xyz: bool) -> LookupTable:
    """Read a table to the connection space. Raises: ValueError, struct.error, IndexError if it is broken."""
    if tag.startswith(b"mAB "):
        return _read_staged_table(tag, is_xyz=is_xyz)
    if tag[:4] not in _SAMPLE_BYTES:
        raise ValueError("no table")
    return _read_plain_table(tag, tag[8], tag[9])


def check_inverse_table(tag: bytes) -> None:
    """Refuse a broken table from the connection space, for which browsers ignore the whole profile."""
    if tag[:4] in _SAMPLE_BYTES:
        _read_plain_table(tag, 3, tag[9], most_outputs=4)
    elif not tag.startswith(b"mBA "):
        raise ValueError("no table")


def _read_plain_table(tag: bytes, inputs: int, outputs: int, most_outputs: int = _OUTPUTS) -> LookupTable:
    width, points = _SAMPLE_BYTES[tag[:4]], tag[10]
    if not (1 <= inputs <= _MOST_INPUTS and _OUTPUTS <= outputs <= most_outputs and points >= 2):
        raise ValueError("a table of other channels")
    start, entries_in, entries_out = 48, 256, 256
    if width == 2:
        start, (entries_in, entries_out) = 52, struct.unpack_from(">2H", tag, 48)
        if not (2 <= entries_in <= _MOST_CURVE_POINTS and 2 <= entries_out <= _MOST_CURVE_POINTS):
            raise ValueError("a curve of too few or too many points")
    counts = (inputs * entries_in, points**inputs * outputs, outputs * entries_out)
    numbers = np.frombuffer(tag, f">u{width}", sum(counts), start) / (256**width - 1)
    curves_in, grid, curves_out = np.split(numbers, np.cumsum(counts)[:-1])
    return LookupTable(
        [TableCurve(values) for values in curves_in.reshape(inputs, entries_in)],
        grid.reshape(*[points] * inputs, outputs),
        [],
        None,
        [TableCurve(values) for values in curves_out.reshape(outputs, entries_out)],
    )


def _read_staged_table(tag: bytes, *, is_xyz: bool) -> LookupTable:
    inputs, outputs, at_output, at_matrix, at_middle, at_grid, at_input = struct.unpack_from(">2B2x5I", tag, 8)
    if outputs != _OUTPUTS or not at_output or bool(at_matrix) != bool(at_middle) or bool(at_grid) != bool(at_input):
        raise ValueError("a table that lacks a part")
    if inputs > _MOST_INPUTS or (not at_grid and inputs != outputs):
        raise ValueError("a table of other channels")
    matrix = None
    if at_matrix:
        numbers = np.array(struct.unpack_from(">12i", tag, at_matrix)) / 65536 * (_XYZ_RANGE if is_xyz else 1.0)
        matrix = np.hstack([numbers[:9].reshape(3, 3), numbers[9:, None]])
    return LookupTable(
        read_curves(tag, at_input, inputs) if at_grid else [],
        _read_grid(tag, at_grid, inputs) if at_grid else None,
        read_curves(tag, at_middle, outputs) if at_middle else [],
        matrix,
        read_curves(tag, at_output, outputs),
    )


def _read_grid(tag: bytes, offset: int, inputs: int) -> Floats:
    points = list(tag[offset : offset + inputs])
    width = tag[offset + 16]
    if width not in (1, 2) or min(points) < 2:
        raise ValueError("a grid of too few points")
    count = _OUTPUTS * int(np.prod(points, dtype=object))
    numbers: Floats = np.frombuffer(tag, f">u{width}", count, offset + 20) / (256**width - 1)
    return numbers.reshape(*points, _OUTPUTS)


def _apply(curves: list[ProfileCurve], colors: Floats) -> Floats:
    return np.stack([curve.linearize(colors[:, channel]) for channel, curve in enumerate(curves)], 1)
