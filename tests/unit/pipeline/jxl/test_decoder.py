import numpy as np
import pytest

from pipeline.color.coded import find_coded_color
from pipeline.color.icc import IccProfile
from pipeline.jxl.decoder import JxlFailed, count_frames, open_jxl
from tests.support.image_files.jxl import FILES, TWO_FIELDS, encode_jxl

ANIMATION = encode_jxl(np.stack([TWO_FIELDS, 255 - TWO_FIELDS, TWO_FIELDS]))


def test_the_head_is_known_before_a_pixel_is_decoded() -> None:
    with open_jxl(encode_jxl(np.dstack([TWO_FIELDS, TWO_FIELDS[:, :, 0]]))) as decoder:
        info = decoder.info
        assert (info.width, info.height, info.color_channels, info.extra_channels) == (16, 8, 3, 1)
        assert (info.alpha_bits, info.has_animation) == (8, 0)


def test_the_size_is_that_of_the_upright_picture() -> None:
    with open_jxl(FILES["turned"]) as decoder:
        assert (decoder.info.width, decoder.info.height) == (8, 16)
        decoder.read_color()
        [picture] = decoder.list_pictures()
        assert picture.shape == (16, 8, 3)


def test_the_color_is_that_of_the_pixels() -> None:
    colors = {}
    for name, data in FILES.items():
        with open_jxl(data) as decoder:
            colors[name] = decoder.read_color()
    assert isinstance(colors.pop("red-and-blue-swapped"), IccProfile)
    assert {name for name, color in colors.items() if color is None} == {"lossy", "turned", "linear"}
    assert (colors["pq"], colors["hlg"]) == (find_coded_color(9, 16), find_coded_color(9, 18))
    assert colors["display-p3"] == find_coded_color(12, 13)


def test_pictures_come_one_after_the_other() -> None:
    with open_jxl(ANIMATION) as decoder:
        decoder.read_color()
        pictures = list(decoder.list_pictures())
        assert decoder.is_whole
    assert [(picture == TWO_FIELDS).all() for picture in pictures] == [True, False, True]


def test_frames_are_counted_without_decoding_them() -> None:
    assert (count_frames(ANIMATION, 100), count_frames(ANIMATION, 2), count_frames(b"nothing", 9)) == (3, 2, 0)


@pytest.mark.parametrize("data", [b"", b"\xff\x0a", b"\xff\x0a" + bytes(20), FILES["turned"][:30]])
def test_what_is_no_file_fails(data: bytes) -> None:
    with pytest.raises(JxlFailed), open_jxl(data):
        pass
