"""Converts pixels by curves and a matrix, with tone mapping between them where the light is of high dynamic range."""

from collections.abc import Callable, Iterator, Sequence
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

    def _linearize(self, channels: Sequence[Samples]) -> Iterator[Light]:
        light: Sequence[Light] = [table[samples] for table, samples in zip(self.tables, channels, strict=True)]
        if self.adapt is not None:
            light = list(self.adapt(np.stack(light, 1).astype(np.float64)).astype(np.float32).T)
        for row in self.matrix:
            mixed = light[0] * row[0]
            mixed += light[1] * row[1]
            mixed += light[2] * row[2]
            yield mixed
