"""Transfer functions: from the samples of a file to light."""

import math
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SAMPLES: Floats = np.arange(256) / 255
"""the values of an 8-bit sample, from 0 to 1"""


@dataclass(frozen=True, slots=True)
class Curve:
    """A parametric transfer function: light is (a x + b)^g + e from x = d on, and c x + f below."""

    g: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0

    def is_valid(self) -> bool:
        """Tell whether browsers take these parameters."""
        known = math.isfinite(sum(astuple(self))) and min(self.a, self.c, self.d, self.g) >= 0
        return known and self.a * self.d + self.b >= 0

    def linearize(self, samples: Floats) -> Floats:
        """Return the light of samples; that of a negative one mirrors that of its positive."""
        sizes = np.abs(samples)
        with np.errstate(over="ignore"):
            curved = np.maximum(self.a * sizes + self.b, 0.0)
            powers = np.where(curved > 0, curved**self.g, 0.0)
        light: Floats = np.nan_to_num(np.where(sizes < self.d, self.c * sizes + self.f, powers + self.e))
        return np.where(samples < 0, -light, light)


def linearize_pq(samples: Floats) -> Floats:
    """Return light as a fraction of 10,000 nits. Source: ITU-R BT.2100, table 4."""
    roots = samples ** (32 / 2523)
    return (np.maximum(roots - 107 / 128, 0.0) / (2413 / 128 - 2392 / 128 * roots)) ** (8192 / 1305)


def linearize_hlg(samples: Floats) -> Floats:
    """Return the light of the scene, from 0 to 1. Source: ITU-R BT.2100, table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(samples <= 0.5, samples**2 / 3, (np.exp((samples - c) / a) + b) / 12)


SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
