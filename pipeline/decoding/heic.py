"""Reads HEIC files: the primary image, as libheif decodes it.

No browser on Linux shows HEIC; Safari and libheif agree. Both crop, turn and mirror as the boxes `clap`, `irot` and
`imir` say, ignore EXIF's orientation, and show neither thumbnails nor depth and gain maps.
"""

import io
from typing import Any

from PIL import Image

from pipeline.color.coded import find_coded_color
from pipeline.color.icc import IccProfile
from pipeline.color.srgb import Color
from pipeline.decoding.frame import Frame
from pipeline.decoding.pillow import convert_to_8_bit
from pipeline.errors import ImageUndecodable
from pipeline.heif.items import read_items
from pipeline.pixel_limit import check_size

BLOCK_PX = 64
"""Encoders pad the sides of a picture to a multiple of this, and crop it again."""


def read_heic(data: bytes) -> Frame:
    """Read the primary image, turned and cropped. Raises: ImageTooLarge, ImageUndecodable."""
    import pillow_heif  # 40 ms, which only decoder processes spend, at their start

    _check_claims(data)
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = pillow_heif.options.DEPTH_IMAGES = pillow_heif.options.AUX_IMAGES = False
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    image = file[file.primary_index]
    check_size(image.size)
    pixels = Image.frombytes(image.mode, image.size, image.data, "raw", image.mode, image.stride)
    return Frame(convert_to_8_bit(pixels), _read_color(image.info))


def _check_claims(data: bytes) -> None:
    """Refuse what libheif would not: large parts of a small picture, and missing tiles, which it leaves black.

    Raises: ImageTooLarge, ImageUndecodable.
    """
    items = read_items(data)
    if items is None:
        raise ImageUndecodable("begins like an image that we judge, and is broken")
    if items.end > len(data):
        raise ImageUndecodable(f"cut short: {len(data)} bytes of at least {items.end}")
    for width, height in items.sizes_px:
        check_size((max(1, width - BLOCK_PX + 1), max(1, height - BLOCK_PX + 1)))


def _read_color(info: dict[str, Any]) -> Color | None:
    if info.get("icc_profile"):
        return IccProfile(info["icc_profile"])
    if "nclx_profile" in info:
        nclx = info["nclx_profile"]
        return find_coded_color(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))
    return None
