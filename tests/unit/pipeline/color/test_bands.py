from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from pipeline.color.bands import BAND_PIXELS, Light, Samples, convert_bands, convert_cmyk


def linearize(channels: Sequence[Samples]) -> list[Light]:
    return [(samples / 255).astype(np.float32) for samples in channels]


@pytest.mark.parametrize("size", [(1, 1), (3, 100), (BAND_PIXELS + 3, 2), (300, 500)])
def test_every_pixel_is_converted_once(size: tuple[int, int]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    converted = convert_bands(Image.fromarray(levels), linearize)
    light = levels / 255
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(np.asarray(converted) - expected).max() < 0.6


def test_light_outside_the_range_is_cut() -> None:
    light = np.array([[-1.0], [2.0], [np.nan]], np.float32)
    assert convert_bands(Image.new("RGB", (1, 1)), lambda _: light).getpixel((0, 0)) == (0, 255, 0)


def test_cmyk_is_cut_off_and_not_rounded() -> None:
    assert convert_cmyk(Image.new("CMYK", (2, 2), (212, 0, 255, 42))).getpixel((1, 1)) == (43 * 213 // 255, 213, 0)
