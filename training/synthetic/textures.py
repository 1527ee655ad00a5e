"""Draw natural detail, fabric, foliage and lettering, as patterns of unit scale without artifacts."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
Shape = tuple[int, int]
Texture = Callable[[np.random.Generator, Shape], Floats]
INK = -1.3
PAPER = 0.5


def enlarge(grid: Floats, shape: Shape) -> Floats:
    """Enlarge `grid` to a smooth surface of `shape` (height, width)."""
    surface = Image.fromarray(grid).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(surface, np.float32)


def draw_smooth_noise(rng: np.random.Generator, cells: int, shape: Shape, amplitude: float) -> Floats:
    """Draw noise with `cells` independent values along each side."""
    return enlarge(rng.standard_normal((cells, cells), np.float32), shape) * np.float32(amplitude)


def draw_fabric(rng: np.random.Generator, shape: Shape) -> Floats:
    """Draw two crossing threads of 7 to 10 px at any angle, slightly wavy."""
    down, across = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    angle, frequency = rng.uniform(0, np.pi), 2 * np.pi / rng.uniform(7, 10)
    warp = (across * np.cos(angle) + down * np.sin(angle)) * frequency + draw_smooth_noise(rng, 5, shape, 0.9)
    weft = (down * np.cos(angle) - across * np.sin(angle)) * frequency + draw_smooth_noise(rng, 5, shape, 0.9)
    woven: Floats = ((np.sin(warp) + np.sin(weft)) * 0.8).astype(np.float32)
    return woven


def draw_foliage(rng: np.random.Generator, shape: Shape) -> Floats:
    """Draw irregular leaves of 4.5 to 6.5 px."""
    cells = int(max(shape) / rng.uniform(4.5, 6.5))
    return np.clip(draw_smooth_noise(rng, cells, shape, 1.0), -1.4, 1.4)


def draw_lettering(rng: np.random.Generator, shape: Shape) -> Floats:
    """Draw lines of small dark strokes on a light ground."""
    height, width = shape
    page = np.full(shape, PAPER, np.float32)
    line_px = int(rng.integers(9, 13))
    letter_px = line_px - 4
    y = int(rng.integers(2, 6))
    while y + letter_px < height - 2:
        x = int(rng.integers(2, 8))
        while x < width - 4:
            across = int(rng.integers(2, 7))
            _draw_letter(page[y : y + letter_px, x : x + across], int(rng.integers(0, 3)))
            x += across + int(rng.integers(2, 5))
        y += line_px
    return page


def _draw_letter(cell: Floats, shape: int) -> None:
    """Draw a stem, a stem with a bar on top, or a stem on the right with a bar below."""
    if shape == 2:
        cell[:, -2:] = INK
        cell[-2:] = INK
        return
    cell[:, :2] = INK
    if shape == 1:
        cell[:2] = INK
