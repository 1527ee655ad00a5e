"""What is judged is what people see: `decode` and a real browser agree on files of each kind."""

import numpy as np
import pytest
from PIL import Image

from pipeline.decoding.decode import decode
from tests.integration.decoding.gallery import GALLERY, SIZE
from tests.support.servers.chromium import Chromium

MAX_DIFFERENCE = 2
"""levels of a channel: codecs and color management round differently"""
Painted = dict[str, Image.Image | None]


@pytest.fixture(scope="module")
def painted(chromium: Chromium) -> Painted:
    """Start the browser once for all files."""
    return dict(zip(GALLERY, chromium.paint([build() for build in GALLERY.values()]), strict=True))


@pytest.mark.parametrize("name", GALLERY)
def test_the_pixels_are_those_that_a_browser_paints(name: str, painted: Painted, chromium: Chromium) -> None:
    ours, theirs = decode(GALLERY[name](), max_pixels=SIZE[0] * SIZE[1]).pixels, painted[name]
    assert theirs is not None, f"Chromium {chromium.version} does not show it"
    assert ours.size == theirs.size, f"Chromium {chromium.version}"
    difference = np.asarray(ours).astype(int) - np.asarray(theirs).astype(int)
    assert np.abs(difference).max() <= MAX_DIFFERENCE, f"Chromium {chromium.version}"


def test_what_no_browser_shows_is_told_apart(chromium: Chromium) -> None:
    assert chromium.paint([b"no image", b"\x89PNG\r\n\x1a\n"]) == [None, None]
