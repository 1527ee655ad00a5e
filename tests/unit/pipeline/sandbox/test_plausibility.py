from typing import Any

import pytest

from pipeline.errors import ImageRefused
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.plausibility import check_file, check_size
from tests.support.builders import build_noise, encode_image

PNG = encode_image(build_noise(), "PNG")


def build_reply(**values: Any) -> Reply:
    return Reply(**{"token": "", "width": 64, "height": 48, "format": "png"} | values)


def test_what_the_file_says_is_plausible_either_way_up() -> None:
    check_file(build_reply(), PNG)
    check_file(build_reply(width=48, height=64), PNG)
    check_file(build_reply(format="gif", width=9, height=9), encode_image(build_noise(), "GIF"))


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"format": "jpeg"}, "is jpeg; it is png"),
        ({"format": ""}, "is png"),
        ({"frames": 1_000_000}, "1000000 frames"),
        ({"width": 65}, "header says"),
        ({"width": 64, "height": 64}, "header says"),
    ],
)
def test_what_the_file_does_not_say_is_a_lie(lie: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_file(build_reply(**lie), PNG)


def test_an_image_of_no_known_format_is_a_lie() -> None:
    with pytest.raises(ImageRefused):
        check_file(build_reply(), b"hello")


def test_a_size_stays_in_the_limit_and_as_it_is_known() -> None:
    check_size((30, 20), known_px=None, max_pixels=600)
    check_size((30, 20), known_px=(30, 20), max_pixels=600)
    for size, known in (((31, 20), None), ((20, 30), (30, 20)), ((2**31, 2**31), None)):
        with pytest.raises(ValueError, match="pixels"):
            check_size(size, known_px=known, max_pixels=600)
