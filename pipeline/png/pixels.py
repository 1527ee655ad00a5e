"""Unpacks a picture of a PNG file to pixels with 8 bits a sample."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from PIL import Image

from pipeline.errors import ImageUndecodable
from pipeline.png.file import GRAY, GRAY_ALPHA, PALETTE, RGB, RGB_ALPHA, Header, Picture, PngFile
from pipeline.png.rows import Pass, list_passes, repair_rows

_SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
_CODINGS = {
    (1, GRAY): ("1", "1"),
    (2, GRAY): ("L", "L;2"),
    (4, GRAY): ("L", "L;4"),
    (8, GRAY): ("L", "L"),
    (16, GRAY): ("L", "L;16B"),
    (8, RGB): ("RGB", "RGB"),
    (16, RGB): ("RGB", "RGB;16B"),
    (1, PALETTE): ("P", "P;1"),
    (2, PALETTE): ("P", "P;2"),
    (4, PALETTE): ("P", "P;4"),
    (8, PALETTE): ("P", "P"),
    (8, GRAY_ALPHA): ("LA", "LA"),
    (16, GRAY_ALPHA): ("RGBA", "LA;16B"),
    (8, RGB_ALPHA): ("RGBA", "RGBA"),
    (16, RGB_ALPHA): ("RGBA", "RGBA;16B"),
}
"""Pillow's mode, and its name for the coding of the rows; of 16 bits it takes the high byte, as browsers do"""
_LOW_BYTES = {GRAY: "L;16", RGB: "RGB;16L"}
_MARK = 163


@dataclass(frozen=True, slots=True, eq=False)
class Unpacked:
    """`pixels` are of mode L, LA, RGB or RGBA, transparent where no row came."""

    pixels: Image.Image
    is_broken: bool


def unpack_pixels(file: PngFile, picture: Picture) -> Unpacked:
    """Unpack the rows that browsers show. Raises: ImageUndecodable if there are none."""
    stream = picture.parts[0] if len(picture.parts) == 1 else b"".join(picture.parts)
    try:
        image = _decode(file.header, picture, stream)
    except ValueError:  # the stream or the filter of a row is broken
        return _unpack_rows_that_came(file, picture)
    if _has_mark(image, file.header):
        return _unpack_rows_that_came(file, picture, are_rows_sound=True)
    return Unpacked(_apply_transparency(file, picture, image, stream), is_broken=False)


def _unpack_rows_that_came(file: PngFile, picture: Picture, *, are_rows_sound: bool = False) -> Unpacked:
    header = file.header
    bits = header.depth * _SAMPLES[header.color_type]
    passes = list_passes(picture.width, picture.height, bits, is_interlaced=header.is_interlaced)
    repaired = repair_rows(picture, passes)
    if not any(repaired.came):
        raise ImageUndecodable("none of its rows can be read")
    image = _decode(header, picture, repaired.packed)
    pixels = _apply_transparency(file, picture, image, repaired.packed)
    if repaired.came == [pass_.rows for pass_ in passes]:
        return Unpacked(pixels, is_broken=not are_rows_sound)
    return Unpacked(_clear_missing_rows(pixels, passes, repaired.came), is_broken=True)


def _decode(header: Header, picture: Picture, stream: bytes | memoryview, coding: str | None = None) -> Image.Image:
    """Decode all rows to the mode of their coding; where the last pixels are missing, the mark stays.

    Raises: ValueError for a broken stream.
    """
    mode, usual_coding = _CODINGS[header.depth, header.color_type]
    image = Image.new(mode, (picture.width, picture.height))
    image.paste(_build_mark(image), _find_last_pixels(image.size, header))
    image.frombytes(stream, "zip", coding or usual_coding, header.is_interlaced)
    return image


def _has_mark(image: Image.Image, header: Header) -> bool:
    last = image.crop(_find_last_pixels(image.size, header))
    return last.tobytes() == Image.new(image.mode, last.size, _build_mark(image)).tobytes()


def _build_mark(image: Image.Image) -> tuple[int, ...]:
    """Build a sample that the last pixels hardly have: where they do, their rows are only counted once more."""
    return (_MARK,) * len(image.getbands())


def _find_last_pixels(size: tuple[int, int], header: Header) -> tuple[int, int, int, int]:
    """Return the box of the pixels that are decoded last: a row, in an interlaced picture one with an odd number."""
    left, top, (width, height) = 0, size[1] - 1, size
    if header.is_interlaced and height > 1:
        top -= 1 - top % 2
    elif header.is_interlaced and width > 1:
        left = width - 1 - width % 2
        width = left + 1
    return (left, top, width, top + 1)


def _apply_transparency(file: PngFile, picture: Picture, image: Image.Image, stream: bytes | memoryview) -> Image.Image:
    """Bring a decoded image to mode L, LA, RGB or RGBA."""
    header, stated = file.header, file.notes.get(b"tRNS")
    if header.color_type == PALETTE:
        return _apply_palette(image, file.palette, stated or b"")
    if header.color_type == GRAY_ALPHA and image.mode != "LA":
        return image.convert("LA")
    pixels = image.convert("L") if image.mode == "1" else image
    if stated is None:
        return pixels
    samples = np.frombuffer(stated, np.uint8)[: 2 * _SAMPLES[header.color_type]].reshape(-1, 2)
    high, low = samples[:, 0], samples[:, 1]
    if header.depth == 16:
        low_bytes = _decode(header, picture, stream, _LOW_BYTES[header.color_type])
        is_clear = _find_equal(pixels, high) & _find_equal(low_bytes, low)
    else:
        is_clear = _find_equal(pixels, low.astype(int) * 255 // (2**header.depth - 1))
    pixels.putalpha(Image.fromarray(np.where(is_clear, 0, 255).astype(np.uint8)))
    return pixels


def _find_equal(image: Image.Image, samples: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    equal = np.asarray(image).reshape(image.height, image.width, -1) == samples
    return cast("np.ndarray[Any, np.dtype[np.bool_]]", equal.all(axis=-1))


def _apply_palette(image: Image.Image, palette: bytes | None, alpha: bytes) -> Image.Image:
    """Colors beyond the end of the palette are its last one. Raises: ImageUndecodable if there is no palette."""
    if palette is None:
        raise ImageUndecodable("its colors have no palette")
    colors = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    entries = np.full((len(colors), 4), 255, np.uint8)
    entries[:, :3] = colors
    known = alpha[: len(colors)]
    entries[: len(known), 3] = np.frombuffer(known, np.uint8)
    entries = np.pad(entries, ((0, 256 - len(colors)), (0, 0)), mode="edge")
    mode = "RGBA" if alpha else "RGB"
    image.putpalette(entries[:, : len(mode)].tobytes(), mode)
    return image.convert(mode)


def _clear_missing_rows(pixels: Image.Image, passes: list[Pass], came: list[int]) -> Image.Image:
    """Leave only the rows that came; of an interlaced picture each pixel fills its block until a later pass comes."""
    pixels.putalpha(pixels.getchannel("A") if "A" in pixels.getbands() else 255)
    levels = np.asarray(pixels)
    visible = np.zeros_like(levels)
    for pass_, rows in zip(passes, came, strict=True):
        step_x, step_y = pass_.step
        source = levels[pass_.top :: step_y, pass_.left :: step_x][:rows]
        for across in range(pass_.block[0]):
            for down in range(pass_.block[1]):
                place = visible[pass_.top + down :: step_y, pass_.left + across :: step_x][:rows]
                place[:] = source[: place.shape[0], : place.shape[1]]
    return Image.fromarray(visible)
