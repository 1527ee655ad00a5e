"""Converts images band by band through linear light, so that no whole copy as wider numbers is needed."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

BAND_PIXELS = 1 << 16
Samples = npt.NDArray[np.uint8]
Light = npt.NDArray[np.float32]
_STEPS = 65535
SRGB_TO_XYZ_D50 = np.array(
    [
        [0.436065674, 0.385147095, 0.143066406],
        [0.222488403, 0.716873169, 0.060607910],
        [0.013916016, 0.097076416, 0.714096069],
    ]
)
SRGB_FROM_XYZ_D50 = np.linalg.inv(SRGB_TO_XYZ_D50)


def _tabulate_srgb() -> Samples:
    light = np.arange(_STEPS + 1) / _STEPS
    samples = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table: Samples = np.rint(255 * samples).astype(np.uint8)
    return table


SRGB_SAMPLES = _tabulate_srgb()
"""the 8-bit sample for each of 65,536 steps of light"""


def convert_bands(pixels: Image.Image, linearize: Callable[[Sequence[Samples]], Iterable[Light]]) -> Image.Image:
    """Return pixels of mode RGB; `linearize` gives the light of sRGB's primaries for the samples of each channel."""
    converted = Image.new("RGB", pixels.size)
    for box in _list_bands(*pixels.size):
        channels = [np.frombuffer(channel.tobytes(), np.uint8) for channel in pixels.crop(box).split()]
        shape = (box[3] - box[1], box[2] - box[0])
        encoded = [Image.fromarray(_encode_srgb(light).reshape(shape)) for light in linearize(channels)]
        converted.paste(Image.merge("RGB", encoded), box)
    return converted


def convert_cmyk(pixels: Image.Image) -> Image.Image:
    """Return pixels of mode RGB as browsers make them of CMYK, which cut off where Pillow rounds."""
    converted = Image.new("RGB", pixels.size)
    for box in _list_bands(*pixels.size):
        light = 255 - np.asarray(pixels.crop(box)).astype(np.uint16)
        converted.paste(Image.fromarray((light[..., :3] * light[..., 3:] // 255).astype(np.uint8)), box)
    return converted


def _encode_srgb(light: Light) -> Samples:
    np.nan_to_num(light, copy=False)
    np.clip(light, 0.0, 1.0, out=light)
    light *= _STEPS
    light += 0.5
    return SRGB_SAMPLES[light.astype(np.uint16)]


def _list_bands(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        for left in range(0, width, BAND_PIXELS):
            yield left, top, min(left + BAND_PIXELS, width), min(top + rows, height)
