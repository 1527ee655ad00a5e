"""Converts pixels by curves and a matrix, with tone mapping between them where the light is of high dynamic range."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.color.bands import Light, Samples, convert_bands
from pipeline.color.curves import Floats


@dataclass(frozen=True, slots=True, eq=False)
class LinearLight:
    """Converts pixels of mode RGB to sRGB: light of each sample, then `adapt`, then a matrix to sRGB's primaries.

    Shapes: tables (3, 256), matrix (3, 3).
    """

    tables: npt.NDArray[np.float32]
    matrix: npt.NDArray[np.float32]
    adapt: Callable[[Floats], Floats] | None = None

    @classmethod
    def of(cls, tables: Floats, matrix: Floats, adapt: Callable[[Floats], Floats] | None = None) -> "LinearLight":
        return cls(tables.astype(np.float32), matrix.astype(np.float32), adapt)

    def __call__(self, pixels: Image.Image) -> Image.Image:
        return convert_bands(pixels, self._linearize)

    def _linearize(self, samples: Samples) -> Light:
        light = np.empty(samples.shape, np.float32)
        for channel in range(3):
            np.take(self.tables[channel], samples[:, channel], out=light[:, channel])
        if self.adapt is not None:
            light = self.adapt(light.astype(np.float64)).astype(np.float32)
        return light @ self.matrix.T
