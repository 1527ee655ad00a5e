import os
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from pipeline import images
from pipeline.sandbox.child import Pictures
from pipeline.sandbox.exchange import Reply
from tests.support.builders import build_noise, encode_image

PIXELS = build_noise(8, 4)
PNG = encode_image(PIXELS, "PNG")


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = os.memfd_create("pictures")
    yield descriptor
    os.close(descriptor)


def build_reply(*, png_bytes: int = 0) -> Reply:
    return Reply(token="", width=8, height=4, png_bytes=png_bytes)


def test_pictures_lie_one_behind_the_other(memory: int) -> None:
    os.pwrite(memory, PIXELS.tobytes() + bytes(4 * 2 * 3) + PNG, 0)
    reply = build_reply(png_bytes=len(PNG))
    pictures = Pictures(memory)
    first, second = pictures.read_model_image((8, 4)), pictures.read_model_image((4, 2))
    assert (np.asarray(first.pixels) == np.asarray(PIXELS)).all()
    assert not np.asarray(second.pixels).any()
    assert first.sha256 == images.digest_pixels(PIXELS)
    assert second.sha256 == images.digest_pixels(Image.new("RGB", (4, 2)))
    assert pictures.read_png(reply) == PNG


def test_a_picture_needs_all_of_its_bytes(memory: int) -> None:
    os.pwrite(memory, PIXELS.tobytes(), 0)
    with pytest.raises(ValueError, match="shorter"):
        Pictures(memory).read_model_image((8, 5))
    with pytest.raises(ValueError, match="shorter"):
        Pictures(memory).read_pixels((40_000, 400))


@pytest.mark.parametrize(
    ("png_bytes", "reason"), [(10**12, "larger"), (1 << 20, "shorter"), (12, "no PNG"), (0, "no PNG")]
)
def test_what_cannot_be_the_png_is_refused(memory: int, png_bytes: int, reason: str) -> None:
    os.pwrite(memory, PIXELS.tobytes(), 0)
    reply = build_reply(png_bytes=png_bytes)
    with pytest.raises(ValueError, match=reason):
        Pictures(memory).read_png(reply)
