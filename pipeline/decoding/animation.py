"""Chooses the frame of an animation that is judged: the first that shows something.

A flat first frame that is gone after a blink would hide the picture behind it. How long a frame stays is not asked: a
file may claim any duration, and a viewer who waits sees the next frame too.
"""

from collections.abc import Iterable

from PIL import Image

from pipeline.color.srgb import Color
from pipeline.decoding.render import render_over_white
from pipeline.errors import ImageRefused, ImageUndecodable

FLAT_LEVELS = 8
"""A sample belongs to a flat frame within this distance from the median of its channel: codecs add a few levels."""
FLAT_FRACTION = 0.99
MOST_STRAYS = 10_000
"""A flat frame has this fraction of the samples of each channel near the median, and at most so many elsewhere: a dot
or a progress bar is no picture, and 100 x 100 pixels on a large ground may be one."""
MOST_FRAMES = 1000
MOST_PIXELS = 150_000_000
"""of all frames that are looked at, of which there are at least two"""


def choose_frame(frames: Iterable[Image.Image], color: Color | None = None) -> tuple[int, Image.Image]:
    """Return number and pixels of the first frame that is not flat over white; those of the first if all are flat.

    `frames` are composed one at a time: each is a whole picture as viewers show it, transparent where nothing is
    painted, and does not change afterwards. A later frame that cannot be read ends the search.
    Raises: ImageUndecodable if there is no frame, and each error of reading the first one; ImageRefused if there are
        more frames than can be looked at, and all of these are flat.
    """
    composed = iter(frames)
    first = next(composed, None)
    if first is None:
        raise ImageUndecodable("holds no frame")
    if not is_flat(first, color):
        return 0, first
    try:
        for number, pixels in enumerate(composed, start=1):
            if number == count_affordable(first.size):
                break
            if not is_flat(pixels, color):
                return number, pixels
        else:
            return 0, first
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a codec raises any error on a broken frame; viewers do not show it
        return 0, first
    raise ImageRefused(f"an animation whose first {number} frames are of one color: it would hide a later picture")


def count_affordable(size_px: tuple[int, int]) -> int:
    """Return how many frames of this size are looked at."""
    return min(MOST_FRAMES, max(2, MOST_PIXELS // (size_px[0] * size_px[1])))


def is_flat(pixels: Image.Image, color: Color | None = None) -> bool:
    """Say whether a frame shows nothing but one color over white."""
    histogram = render_over_white(pixels, color).histogram()
    size = pixels.width * pixels.height
    strays = max(_count_strays(histogram[at : at + 256], size) for at in (0, 256, 512))
    return strays <= min((1 - FLAT_FRACTION) * size, MOST_STRAYS)


def _count_strays(levels: list[int], size: int) -> int:
    """Return how many samples do not lie near the median."""
    below, median = levels[0], 0
    while below * 2 < size:
        median += 1
        below += levels[median]
    return size - sum(levels[max(0, median - FLAT_LEVELS) : median + FLAT_LEVELS + 1])
