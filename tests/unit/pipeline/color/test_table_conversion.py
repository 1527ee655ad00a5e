import numpy as np
import pytest
from PIL import Image

from pipeline.color.icc import TableProfile, read_profile
from pipeline.color.table_conversion import TableConversion
from tests.support.image_files.icc import Array, build_plain_table, build_table_profile


def keep_lightness(colors: Array) -> Array:
    """Return neutral Lab as light as the first sample is large."""
    return np.stack([colors[:, 0], *[np.full(len(colors), 128 / 255)] * 2], 1)


@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
def test_lab_becomes_srgb(inputs: int) -> None:
    profile = read_profile(build_table_profile(build_plain_table(keep_lightness, inputs=inputs)))
    assert isinstance(profile, TableProfile)
    levels = np.array([[[0, 9, 99], [64, 1, 2], [128, 3, 4], [255, 5, 6]]], np.uint8)
    converted = np.asarray(TableConversion(profile)(Image.fromarray(levels)))
    np.testing.assert_allclose(converted[0].mean(axis=1), [0, 60, 120, 255], atol=1.5)
    assert np.ptp(converted[0], axis=1).max() <= 2
