"""Reads GIF files as browsers do: over a transparent canvas, and as far as a broken frame goes."""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.decoding.animation import MOST_FRAMES, choose_frame
from pipeline.decoding.frame import Frame
from pipeline.errors import ImageUndecodable
from pipeline.gif.blocks import GifFrame, read_blocks
from pipeline.gif.codes import unpack_codes
from pipeline.pixel_limit import check_size

_CLEAR, _RESTORE = (2,), (3, 4)
"""what becomes of a frame before the next is painted: its place is cleared, or shows again what it showed before"""
_PASSES = ((0, 8), (4, 8), (2, 4), (1, 2))
"""first row and step of each pass of an interlaced frame"""


def read_gif(data: bytes) -> Frame:
    """Read the first frame that shows something, over a transparent canvas.

    Browsers ignore the background color and profiles. The first frame may enlarge the canvas, later ones do not.
    """
    file = read_blocks(data, most_frames=MOST_FRAMES + 1)
    if not file.frames:
        raise ImageUndecodable("a GIF without a frame")
    first = file.frames[0]
    width = max(file.size_px[0], first.at[0] + first.size_px[0])
    height = max(file.size_px[1], first.at[1] + first.size_px[1])
    if not width * height:
        raise ImageUndecodable("a GIF of no pixels")
    check_size((width, height))
    pixels, came = paint(first)
    composed = _compose((width, height), file.frames, chain([pixels], map(_paint_whole, file.frames[1:])))
    number, judged = choose_frame(composed) if file.count > 1 else (0, next(composed))
    area = pixels.width * pixels.height
    if number == 0 and came == 0 < area:
        raise ImageUndecodable("a GIF whose first frame is broken from its start on")
    return Frame(judged, frames=file.count, frame=number, repaired=came < area or not file.whole)


def paint(frame: GifFrame) -> tuple[Image.Image, int]:
    """Return the pixels of a frame alone, mode RGB or RGBA, and how many of them came."""
    check_size(frame.size_px)
    indices, count = unpack_codes(frame.blocks, frame.bits, frame.size_px)
    came = np.zeros(indices.shape, bool)
    came.ravel()[:count] = True
    if frame.interlaced:
        order = np.concatenate([np.arange(start, len(indices), step) for start, step in _PASSES])
        places = np.argsort(order)
        indices, came = indices[places], came[places]
        if frame.transparent is None:
            indices, came = _repeat_rows(indices, came)
    return _color(indices, came, frame), count


def _paint_whole(frame: GifFrame) -> Image.Image:
    pixels, count = paint(frame)
    if count < pixels.width * pixels.height:
        raise ImageUndecodable("a later frame is broken: browsers show none such")
    return pixels


def _repeat_rows(indices: NDArray[np.uint8], came: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Put the row of an earlier pass where that of a later one did not come."""
    complete = np.logical_and.reduce(came, axis=1)
    rows = np.arange(len(indices))
    source = rows
    for step in (2, 4, 8):
        source = np.where(complete[source], source, rows - rows % step)
    return np.where(came, indices, indices[source]), np.logical_or(came, complete[source][:, np.newaxis])


def _color(indices: NDArray[np.uint8], came: NDArray[np.bool_], frame: GifFrame) -> Image.Image:
    pixels = Image.fromarray(indices)
    pixels.putpalette(frame.palette)
    pixels = pixels.convert("RGB")
    if frame.transparent is not None:
        came = came & (indices != frame.transparent)
    if not came.all():
        pixels.putalpha(Image.fromarray(came))
    return pixels


def _compose(
    size_px: tuple[int, int], frames: Iterable[GifFrame], painted: Iterable[Image.Image]
) -> Iterator[Image.Image]:
    """Lay each frame over what the ones before it left."""
    canvas = None
    for frame, pixels in zip(frames, painted, strict=True):
        picture = pixels
        if pixels.mode == "RGBA" or pixels.size != size_px or frame.at != (0, 0):
            picture = canvas.copy() if canvas else Image.new("RGBA", size_px)
            picture.paste(pixels, frame.at, pixels if pixels.mode == "RGBA" else None)
        yield picture
        if frame.disposal in _CLEAR:
            canvas = picture.convert("RGBA")
            canvas.paste((0, 0, 0, 0), (*frame.at, frame.at[0] + pixels.width, frame.at[1] + pixels.height))
        elif frame.disposal not in _RESTORE:
            canvas = picture
