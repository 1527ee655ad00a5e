"""Converts pixels by profiles of lookup tables, through a finer grid of colors that holds the curves as well."""

import itertools

import numpy as np
from PIL import Image

from pipeline.color.bands import SRGB_FROM_XYZ_D50, Light, Samples, convert_bands
from pipeline.color.curves import Floats
from pipeline.color.icc import TableProfile

_GRID_POINTS = 65
"""so that the points of the usual tables, of 9, 17 or 33, are among them"""
_D50 = np.array([0.9642, 1.0, 0.8249], np.float32)
_MATRIX = SRGB_FROM_XYZ_D50.astype(np.float32)


class TableConversion:
    """Converts pixels of mode RGB to sRGB."""

    def __init__(self, profile: TableProfile) -> None:
        self._grid = _look_up(profile).reshape(-1, 3).astype(np.float32)
        self._is_xyz = profile.is_xyz
        scaled = np.arange(256) * (_GRID_POINTS - 1) / 255
        lower = np.minimum(scaled.astype(np.int32), _GRID_POINTS - 2)
        self._places = [lower * _GRID_POINTS**power for power in (2, 1, 0)]
        upper_shares = (scaled - lower).astype(np.float32)
        self._shares = (1 - upper_shares, upper_shares)

    def __call__(self, pixels: Image.Image) -> Image.Image:
        return convert_bands(pixels, self._linearize)

    def _linearize(self, samples: Samples) -> Light:
        connected = self._interpolate(samples)
        return (connected if self._is_xyz else _convert_lab(connected)) @ _MATRIX.T

    def _interpolate(self, samples: Samples) -> Light:
        """Mix the eight corners of the cell in which each color lies."""
        channels = [np.ascontiguousarray(samples[:, channel]) for channel in range(3)]
        places = np.sum([place[channel] for place, channel in zip(self._places, channels, strict=True)], axis=0)
        shares = [[share[channel] for share in self._shares] for channel in channels]
        mixed = np.zeros(samples.shape, np.float32)
        for red, green, blue in itertools.product((0, 1), repeat=3):
            weights = shares[0][red] * shares[1][green] * shares[2][blue]
            corner = (red * _GRID_POINTS + green) * _GRID_POINTS + blue
            mixed += weights[:, None] * np.take(self._grid, places + corner, axis=0)
        return mixed


def _look_up(profile: TableProfile) -> Floats:
    """Return the colors of the connection space for a grid of RGB. Shapes: (R, G, B, 3).

    Browsers convert CMYK to RGB first, and apply its table to the rest of these, without black. A fourth sample is 1.
    """
    axes = [np.linspace(0.0, 1.0, _GRID_POINTS)] * 3 + [np.ones(1)]
    return profile.table.look_up([1 - samples for samples in axes] if profile.space == b"CMYK" else axes)


def _convert_lab(connected: Light) -> Light:
    """Return XYZ of D50."""
    y = (connected[:, 0] * 100 + 16) / 116
    roots = np.empty_like(connected)
    roots[:, 0] = y + (connected[:, 1] * 255 - 128) / 500
    roots[:, 1] = y
    roots[:, 2] = y - (connected[:, 2] * 255 - 128) / 200
    cubes = roots * roots * roots
    return np.where(cubes > 0.008856, cubes, (roots - 16 / 116) / 7.787) * _D50
