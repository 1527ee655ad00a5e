import numpy as np
from PIL import Image

from pipeline.color.curves import SAMPLES
from pipeline.color.linear_light import LinearLight

LIGHT = np.tile(SAMPLES, (3, 1))
PIXELS = Image.fromarray(np.array([[[0, 128, 255], [255, 0, 64]]], np.uint8))


def test_light_is_encoded_by_the_curve_of_srgb() -> None:
    assert np.asarray(LinearLight.of(LIGHT, np.eye(3))(PIXELS)).tolist() == [[[0, 188, 255], [255, 0, 137]]]


def test_the_matrix_mixes_channels() -> None:
    swapped = LinearLight.of(LIGHT, np.eye(3)[[2, 1, 0]])(PIXELS)
    assert np.asarray(swapped).tolist() == [[[255, 188, 0], [137, 0, 255]]]


def test_light_is_adapted_before_the_matrix() -> None:
    halved = LinearLight.of(LIGHT, np.eye(3)[[2, 1, 0]], lambda light: light * [0.5, 1.0, 1.0])(PIXELS)
    assert np.asarray(halved).tolist() == [[[255, 188, 0], [137, 0, 188]]]
