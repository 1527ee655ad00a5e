import numpy as np
import pytest

from training.synthetic import textures


@pytest.mark.parametrize("texture", [textures.draw_fabric, textures.draw_foliage, textures.draw_lettering])
def test_textures_have_unit_scale_and_follow_their_seed(texture: textures.Texture) -> None:
    one, again = (texture(np.random.default_rng(4), (90, 120)) for _ in range(2))
    assert one.shape == (90, 120)
    assert one.dtype == np.float32
    assert np.array_equal(one, again)
    assert 0.4 < one.std() < 1.2
    assert np.abs(one).max() < 2


def test_smooth_noise_varies_slowly() -> None:
    noise = textures.draw_smooth_noise(np.random.default_rng(0), 4, (100, 100), 10)
    assert np.abs(np.diff(noise, axis=0)).max() < np.ptp(noise) / 10
