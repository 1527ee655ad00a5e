"""Draws any number of different JPEGs, the same for the same number: scenes of 512 px, photographs of a camera's size.

A canvas is drawn once and shifted around: this is cheap, and no engine and no cache meets the same picture twice.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.geometry import Size
from training.synthetic import scenes

SCENES = 32
FIRST_SEED = 90_000_000  # far from what any model is trained on
JPEG_QUALITY = 92
STRIDE_PX = (37, 61)  # coprime to the sides: no shift comes twice

PHOTOGRAPH_SEED = 90_100_000
PHOTOGRAPH_QUALITY = 90  # with the contrasts below, 12 megapixels take 3.3 MB, as a phone's do
CONTRAST = 16.0
FINE_CONTRASTS = (3.0, 8.0)
"""of single pixels and of pairs: a lens blurs both, and a sensor's grain remains"""
OCTAVES = 11


class Pictures:
    """Scenes of the demo's kind, 512 px."""

    def __init__(self) -> None:
        self._canvases = [np.asarray(scenes.draw_scene(FIRST_SEED + i).image.pixels) for i in range(SCENES)]

    def jpeg(self, number: int) -> bytes:
        """Return the picture of this number."""
        turn, scene = divmod(number, SCENES)
        return _encode(Image.fromarray(_shift(self._canvases[scene], turn)), JPEG_QUALITY)


class Photographs:
    """Images with a photograph's statistics: the same contrast at every scale, soft colours, grain in each pixel."""

    def __init__(self, size: Size) -> None:
        rng = np.random.default_rng(PHOTOGRAPH_SEED)
        soft = size[0] // 4, size[1] // 4
        brightness = _draw_octaves(size, rng, CONTRAST, FINE_CONTRASTS)
        blue, red = (_draw_octaves(soft, rng, CONTRAST / 2) for _ in range(2))
        self._channels = [_convert_to_channel(samples, size) for samples in (brightness, blue, red)]

    def jpeg(self, number: int) -> bytes:
        """Return the photograph of this number."""
        channels = [Image.fromarray(_shift(channel, number)) for channel in self._channels]
        return _encode(Image.merge("YCbCr", channels), PHOTOGRAPH_QUALITY)


def _draw_octaves(
    size: Size, rng: np.random.Generator, contrast: float, fine: tuple[float, ...] = ()
) -> NDArray[np.float32]:
    """Sum noise of all scales, the coarsest first; `fine` are the contrasts of the finest."""
    samples = np.zeros((2, 2), np.float32)
    for octave in reversed(range(OCTAVES)):
        scaled = max(2, size[0] >> octave), max(2, size[1] >> octave)
        noise = rng.standard_normal(scaled[::-1], dtype=np.float32)
        noise *= fine[octave] if octave < len(fine) else contrast
        samples = np.asarray(Image.fromarray(samples).resize(scaled, Image.Resampling.BILINEAR)) + noise
    return samples


def _convert_to_channel(samples: NDArray[np.float32], size: Size) -> NDArray[np.uint8]:
    channel = Image.fromarray(np.clip(samples + 128, 0, 255).astype(np.uint8))
    return np.asarray(channel.resize(size, Image.Resampling.BILINEAR))


def _shift(canvas: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    return np.roll(canvas, (turn * STRIDE_PX[0], turn * STRIDE_PX[1]), (0, 1))


def _encode(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
