"""Tone mapping of high dynamic range to the range of a usual display, as browsers do it.

The brightest channel of a color decides its gain: the white of usual images is darkened to make room for brighter
light, which a curve compresses up to the peak. Source: SMPTE ST 2094-50, annex D.
"""

import math

import numpy as np

from pipeline.color.curves import Floats

WHITE_NITS = 203.0
_REFERENCE_HEADROOM = math.log2(1000 / WHITE_NITS)
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
    inputs, outputs = _trace_curve(peak)
    brightest = np.maximum(light.max(axis=1), 1e-9)
    gains = np.where(brightest <= 1, outputs[0], np.interp(brightest, inputs, outputs) / brightest)
    mapped: Floats = light * gains[:, None]
    return mapped


def _trace_curve(peak: float) -> tuple[Floats, Floats]:
    """Return points of the curve from 1 (white) to the peak, which becomes 1: a quadratic Bezier."""
    white = 1 - 0.5 * min(math.log2(peak) / _REFERENCE_HEADROOM, 1.0)
    middle_in = (1 - _SHARPNESS) + _SHARPNESS / white
    middle_out = (1 - _SHARPNESS) * white + _SHARPNESS
    t = np.linspace(0.0, 1.0, 257)
    inputs = (1 - t) ** 2 + 2 * t * (1 - t) * middle_in + t**2 * peak
    outputs = (1 - t) ** 2 * white + 2 * t * (1 - t) * middle_out + t**2
    return inputs, outputs
