import pytest
from PIL import Image

from pipeline.errors import ImageTooLarge
from pipeline.pixel_limit import check_size, limit_pixels


def test_the_limit_itself_is_allowed_and_a_refusal_names_the_setting() -> None:
    with limit_pixels(600):
        check_size((30, 20))
        with pytest.raises(ImageTooLarge, match=r"\(601 pixels\) exceeds the limit of 600 .*ZOOMIN_STORE__MAX_IMAGE_P"):
            check_size((601, 1))


def test_the_limit_is_that_of_pillow_and_ends_with_an_error_too() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageTooLarge), limit_pixels(600):
        check_size((30, Image.MAX_IMAGE_PIXELS or 0))
    assert before == Image.MAX_IMAGE_PIXELS


def test_no_limit_of_pillow_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    check_size((10**9, 10**9))
