"""Tone mapping of high dynamic range to the range of a usual display, as browsers do it.

The brightest channel of a color decides its gain: the white of usual images is darkened to make room for brighter
light, which a curve compresses up to the peak. Source: SMPTE ST 2094-50, annex D.
"""

import math

import numpy as np

from pipeline.color.curves import Floats

WHITE_NITS = 203.0
_REFERENCE_STOPS = math.log2(1000 / WHITE_NITS)
_SHARPNESS = 0.65


def apply_hlg_display(light: Floats, luminances: Floats) -> Floats:
    """Return the light of a display of 1,000 nits that shows this light of a scene; 1 is the white of usual images."""
    gains = np.maximum(light @ luminances, 0.0) ** 0.2 * (1000 / WHITE_NITS)
    return light * gains[:, None]


def map_tones(light: Floats, peak_nits: float) -> Floats:
    """Map light of BT.2020's primaries so that `peak_nits` becomes 1; the white of usual images is 1 before."""
    peak = peak_nits / WHITE_NITS
    if peak <= 1:
        return light
    inputs, gains = _trace_curve(peak)
    brightest = np.maximum(light.max(axis=1), 1e-9)
    factors = np.where(brightest < peak, np.exp2(np.interp(brightest, inputs, gains)), 1 / brightest)
    mapped: Floats = light * factors[:, None]
    return mapped


def _trace_curve(peak: float) -> tuple[Floats, Floats]:
    """Return points of the gain, in stops, for light from 1 (white) to the peak, which becomes 1.

    Eight points of a quadratic Bezier curve are joined by cubic ones, as the source does.
    """
    white = 1 - 0.5 * min(math.log2(peak) / _REFERENCE_STOPS, 1.0)
    t = np.linspace(0.0, 1.0, 8)
    x, x_slopes = _trace_bezier(t, 1.0, (1 - _SHARPNESS) + _SHARPNESS / white, peak)
    y, y_slopes = _trace_bezier(t, white, (1 - _SHARPNESS) * white + _SHARPNESS, 1.0)
    gains, slopes = np.log2(y / x), (x * y_slopes / x_slopes - y) / (math.log(2) * x * y)
    part = np.linspace(0.0, 1.0, 64)[:, None]
    widths = np.diff(x)
    inputs = x[:-1] + part * widths
    joined = (
        (1 + 2 * part) * (1 - part) ** 2 * gains[:-1]
        + part * (1 - part) ** 2 * widths * slopes[:-1]
        + part**2 * (3 - 2 * part) * gains[1:]
        + part**2 * (part - 1) * widths * slopes[1:]
    )
    return inputs.T.ravel(), joined.T.ravel()


def _trace_bezier(t: Floats, start: float, middle: float, end: float) -> tuple[Floats, Floats]:
    """Return the points of a quadratic Bezier curve, and their slopes."""
    points = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    return points, 2 * (1 - t) * (middle - start) + 2 * t * (end - middle)
