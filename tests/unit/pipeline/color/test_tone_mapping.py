import numpy as np

from pipeline.color.tone_mapping import WHITE_NITS, apply_hlg_display, map_tones


def test_the_peak_becomes_white_and_white_becomes_half_of_it() -> None:
    light = np.array([[1.0, 1.0, 1.0], [1000 / WHITE_NITS, 0.0, 0.0], [0.1, 0.1, 0.1]])
    np.testing.assert_allclose(map_tones(light, 1000.0), [[0.5] * 3, [1, 0, 0], [0.05] * 3], atol=1e-6)


def test_brighter_light_stays_brighter_up_to_the_peak() -> None:
    light = np.linspace(0.0, 4.9, 200)[:, None] * [1.0, 0.5, 0.25]
    mapped = map_tones(light, 1000.0)
    assert (np.diff(mapped[:, 0]) > 0).all()
    np.testing.assert_allclose(mapped[:, 1] * 2, mapped[:, 0])


def test_light_beyond_the_peak_is_white() -> None:
    np.testing.assert_allclose(map_tones(np.array([[40.0, 40.0, 40.0]]), 1000.0), [[1.0, 1.0, 1.0]])


def test_a_picture_that_is_no_brighter_than_white_is_not_mapped() -> None:
    light = np.array([[0.2, 0.4, 1.0]])
    assert map_tones(light, 203.0) is light


def test_the_display_of_hlg_darkens_what_is_dark() -> None:
    luminances = np.array([0.2627, 0.6780, 0.0593])
    light = apply_hlg_display(np.array([[1.0, 1.0, 1.0], [0.1, 0.1, 0.1]]), luminances)
    np.testing.assert_allclose(light[:, 0] * WHITE_NITS, [1000.0, 1000.0 * 0.1**1.2], rtol=1e-3)
