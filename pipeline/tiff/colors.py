"""Renders the samples of a page as a picture by what they mean: gray, RGB, palette, CMYK, YCbCr or Lab."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from pipeline.errors import ImageRefused, ImageUndecodable
from pipeline.tiff.layout import CIELAB, CMYK, COLORS, ICCLAB, PALETTE, WHITE_IS_ZERO, YCBCR, Layout
from pipeline.tiff.samples import Table, convert_samples
from pipeline.tiff.tags import Directory, Tag
from pipeline.tiff.unpacking import Bytes, unpack_planes

_ASSOCIATED = 1
_ALPHA = {_ASSOCIATED, 2, 999}
"""kinds of extra samples that are transparency; Corel Draw writes 999"""
_BT601 = (0.299, 0.587, 0.114)


def read_pixels(page: Directory, layout: Layout) -> Image.Image:
    """Return the picture with 8 bits a sample, of mode L, LA, RGB, RGBA or CMYK; Lab and YCbCr become RGB."""
    tables = _build_tables(page, layout)
    samples = convert_samples(unpack_planes(page, layout), layout, tables)
    colors = COLORS[layout.photometric]
    pixels = _render_colors(samples[:, :, :colors], page, layout)
    for place, kind in enumerate(layout.extra, colors):
        if kind in _ALPHA:
            alpha = Image.fromarray(np.ascontiguousarray(samples[:, :, place]))
            return _add_alpha(pixels, alpha, layout.photometric, is_associated=kind == _ASSOCIATED)
    return pixels


def _build_tables(page: Directory, layout: Layout) -> list[Table]:
    """Return the table of each sample, from the levels of the file to those of 8 bits."""
    levels = np.arange(1 << layout.bits, dtype=np.float64)
    white, steps = levels[-1], levels[-1] / 255
    linear = None if layout.bits == 8 else _round(levels / steps)
    tables: list[Table] = [linear] * layout.samples
    if layout.photometric == WHITE_IS_ZERO:
        tables[0] = _round((white - levels) / steps)
    elif layout.photometric == PALETTE:
        if layout.bits > 8:
            raise ImageRefused(f"a TIFF with a palette for {layout.bits} bits")
        tables[0] = None
    elif layout.photometric == YCBCR:
        tables[:3] = _build_ycbcr_tables(page, levels)
    elif layout.photometric in (CIELAB, ICCLAB):
        tables[:3] = _build_lab_tables(layout, levels)
    return tables


def _build_ycbcr_tables(page: Directory, levels: NDArray[np.float64]) -> list[Table]:
    """Return the tables to full range, from the range that ReferenceBlackWhite states."""
    white, middle = len(levels) - 1, len(levels) // 2
    full_range: tuple[float, ...] = (0, white, middle, white, middle, white)
    stated = page.read_fractions(Tag.REFERENCE_BLACK_WHITE, full_range)
    if any(low == high for low, high in zip(stated[::2], stated[1::2], strict=True)):
        stated = full_range
    luma, *others = ((levels - low) / (high - low) for low, high in zip(stated[::2], stated[1::2], strict=True))
    return [_round(luma * 255), *(_round(other * 127 + 128) for other in others)]


def _build_lab_tables(layout: Layout, levels: NDArray[np.float64]) -> list[Table]:
    """Return the tables to CIE L*a*b* of 8 bits, whose a and b are signed. ICC's stand 128 higher. Source: TIFF 6."""
    if layout.bits not in (8, 16):
        raise ImageRefused(f"a TIFF with Lab of {layout.bits} bits")
    unit = len(levels) // 256
    if layout.photometric == ICCLAB:
        signed, white = levels / unit - 128, 255 * unit
    else:
        signed, white = np.where(levels < len(levels) // 2, levels, levels - len(levels)) / unit, len(levels) - 1
    signs = np.clip(np.rint(signed), -128, 127).astype(np.int8).view(np.uint8)
    return [_round(levels * 255 / white), signs, signs]


def _round(levels: NDArray[np.float64]) -> Bytes:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _render_colors(samples: Bytes, page: Directory, layout: Layout) -> Image.Image:
    """Return the picture without transparency: mode L, RGB or CMYK."""
    if layout.photometric == CMYK:
        return Image.fromarray(np.ascontiguousarray(samples), "CMYK")
    if samples.shape[2] == 1:
        gray = Image.fromarray(np.ascontiguousarray(samples[:, :, 0]))
        return _apply_palette(gray, page, layout.bits) if layout.photometric == PALETTE else gray
    if layout.photometric in (CIELAB, ICCLAB):
        return Image.fromarray(np.ascontiguousarray(samples), "LAB").convert("RGB")
    pixels = Image.fromarray(np.ascontiguousarray(samples))
    return _convert_ycbcr(pixels, page) if layout.photometric == YCBCR else pixels


def _apply_palette(indexes: Image.Image, page: Directory, bits: int) -> Image.Image:
    """Look up the color map: all of red, then green, then blue, with 16 bits each; some writers leave 8."""
    size = 1 << bits
    color_map = page.read_numbers(Tag.COLOR_MAP)[: 3 * size]
    if color_map.size < 3 * size:
        raise ImageUndecodable(f"the TIFF's palette has {color_map.size} of {3 * size} levels")
    if color_map.max() > 255:
        color_map = color_map // 256
    indexes.putpalette(color_map.reshape(3, size).T.astype(np.uint8).tobytes())
    return indexes.convert("RGB")


def _convert_ycbcr(pixels: Image.Image, page: Directory) -> Image.Image:
    """Convert YCbCr of full range to RGB by the weights that the file states, BT.601's if none."""
    red, green, blue = page.read_fractions(Tag.YCBCR_COEFFICIENTS, _BT601)
    if not green:
        red, green, blue = _BT601
    to_red, to_blue = 2 - 2 * red, 2 - 2 * blue
    red_in_green, blue_in_green = -red * to_red / green, -blue * to_blue / green
    rows = ((0.0, to_red), (blue_in_green, red_in_green), (to_blue, 0.0))
    matrix = tuple(part for cb, cr in rows for part in (1.0, cb, cr, -128 * (cb + cr)))
    return pixels.convert("RGB", matrix)


def _add_alpha(pixels: Image.Image, alpha: Image.Image, photometric: int, *, is_associated: bool) -> Image.Image:
    """Return mode LA or RGBA; CMYK lies over white afterwards, since no ink is white."""
    if is_associated and photometric in (WHITE_IS_ZERO, CMYK):
        return pixels  # it lies over white already
    if photometric == CMYK:
        return Image.merge("CMYK", [ImageChops.multiply(ink, alpha) for ink in pixels.split()])
    if is_associated and photometric != PALETTE:
        return Image.merge(f"{pixels.mode}a", (*pixels.split(), alpha)).convert(f"{pixels.mode}A")
    pixels.putalpha(alpha)
    return pixels
