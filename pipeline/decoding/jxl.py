"""Reads JPEG XL files: codestreams and containers, stills and animations."""

from collections.abc import Iterator

from PIL import Image

from pipeline.decoding.animation import choose_frame
from pipeline.decoding.frame import Frame
from pipeline.errors import ImageRefused
from pipeline.jxl.decoder import JxlDecoder, count_frames, open_jxl
from pipeline.pixel_limit import check_size

MOST_EXTRA_CHANNELS = 4
"""Each takes 4 bytes a pixel: alpha, depth and spot colors; a file may claim thousands."""
MOST_COUNTED_FRAMES = 100_000


def read_jxl(data: bytes) -> Frame:
    """Read the picture, of a file that is cut short as far as it came, or the frame of an animation that is judged.

    Raises: ImageRefused, ImageTooLarge, ImageUndecodable.
    """
    with open_jxl(data) as decoder:
        check_size((decoder.info.width, decoder.info.height))
        if decoder.info.extra_channels > MOST_EXTRA_CHANNELS:
            raise ImageRefused(f"JPEG XL with {decoder.info.extra_channels} channels beside its colors")
        color = decoder.read_color()
        if not decoder.info.has_animation:
            pixels = next(_list_images(decoder))
            return Frame(pixels, color, repaired=not decoder.is_whole)
        number, pixels = choose_frame(_list_images(decoder), color)
        frames = max(number + 1, count_frames(data, MOST_COUNTED_FRAMES))
        return Frame(pixels, color, frames=frames, frame=number, repaired=not decoder.is_whole)


def _list_images(decoder: JxlDecoder) -> Iterator[Image.Image]:
    for picture in decoder.list_pictures():
        yield Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
