"""Converts pixels by profiles of lookup tables, through a finer grid of colors that holds the curves as well."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from PIL import Image

from pipeline.color.bands import SRGB_FROM_XYZ_D50, Light, Samples, convert_bands
from pipeline.color.curves import Floats
from pipeline.color.icc import D50, TableProfile

_GRID_POINTS = {"RGB": 65, "CMYK": 17}
"""so that the points of the usual tables, of 9, 17 or 33, are among them"""
_WHITE = D50.astype(np.float32)
_MATRIX = SRGB_FROM_XYZ_D50.astype(np.float32)


class TableConversion:
    """Converts pixels of one mode to sRGB: RGB, or CMYK where the profile takes all four inks."""

    def __init__(self, profile: TableProfile, *, keeps_black: bool = False) -> None:
        self.mode = "CMYK" if keeps_black and profile.space == b"CMYK" else "RGB"
        self._points = _GRID_POINTS[self.mode]
        self._grid = _look_up(profile, self.mode, self._points).reshape(-1, 3).astype(np.float32)
        self._is_xyz = profile.is_xyz
        scaled = np.arange(256) * (self._points - 1) / 255
        lower = np.minimum(scaled.astype(np.int32), self._points - 2)
        self._places = [lower * self._points**power for power in range(len(self.mode))][::-1]
        upper_shares = (scaled - lower).astype(np.float32)
        self._shares = (1 - upper_shares, upper_shares)

    def __call__(self, pixels: Image.Image) -> Image.Image:
        return convert_bands(pixels, self._linearize)

    def _linearize(self, channels: Sequence[Samples]) -> Light:
        connected = self._interpolate(channels)
        return _MATRIX @ (connected if self._is_xyz else _convert_lab(connected)).T

    def _interpolate(self, channels: Sequence[Samples]) -> Light:
        """Mix the corners of the cell in which each color lies. Shapes: (N,) each to (N, 3)."""
        places = np.sum([place[channel] for place, channel in zip(self._places, channels, strict=True)], axis=0)
        shares = [[share[channel] for share in self._shares] for channel in channels]
        mixed = np.zeros((len(places), 3), np.float32)
        for corner in itertools.product((0, 1), repeat=len(channels)):
            weights = functools.reduce(np.multiply, (share[side] for share, side in zip(shares, corner, strict=True)))
            step = functools.reduce(lambda place, side: place * self._points + side, corner)
            mixed += weights[:, None] * np.take(self._grid, places + step, axis=0)
        return mixed


def _look_up(profile: TableProfile, mode: str, points: int) -> Floats:
    """Return the colors of the connection space for a grid of RGB or CMYK. Shapes: (points, ..., 3).

    Browsers convert CMYK to RGB first, and apply its table to the rest of these, without black. A fourth sample is 1.
    """
    steps = np.linspace(0.0, 1.0, points)
    if mode == "CMYK":
        return profile.table.look_up([steps] * 4)
    axes = [steps] * 3 + [np.ones(1)]
    return profile.table.look_up([1 - samples for samples in axes] if profile.space == b"CMYK" else axes)


def _convert_lab(connected: Light) -> Light:
    """Return XYZ of D50."""
    y = (connected[:, 0] * 100 + 16) / 116
    roots = np.empty_like(connected)
    roots[:, 0] = y + (connected[:, 1] * 255 - 128) / 500
    roots[:, 1] = y
    roots[:, 2] = y - (connected[:, 2] * 255 - 128) / 200
    cubes = roots * roots * roots
    return np.where(cubes > 0.008856, cubes, (roots - 16 / 116) / 7.787) * _WHITE
