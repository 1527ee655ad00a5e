"""Finds how pixels of a color become sRGB, once for each color."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from pipeline.color.bands import SRGB_FROM_XYZ_D50, convert_cmyk
from pipeline.color.coded import BT2020, CodedColor, HdrTransfer
from pipeline.color.curves import SAMPLES, Curve, Floats, linearize_hlg, linearize_pq
from pipeline.color.icc import IccProfile, MatrixProfile, TableProfile, read_profile
from pipeline.color.linear_light import LinearLight
from pipeline.color.table_conversion import TableConversion
from pipeline.color.tone_mapping import WHITE_NITS, apply_hlg_display, map_tones

Conversion = Callable[[Image.Image], Image.Image]
_LATTICE_POINTS = 17
_LEAST_CHANGE = 2
_SAME_PRIMARIES = 0.002
_PQ_PEAK = 10_000 / WHITE_NITS


@lru_cache(maxsize=8)
def find_conversion(color: IccProfile | CodedColor, mode: str) -> Conversion | None:
    """Return the conversion of pixels of mode L, RGB or CMYK; None if browsers convert nothing, or by one step."""
    convert = _build_conversion(color, mode)
    if convert is None:
        return None
    if mode == "L":
        ramp = Image.frombytes("L", (256, 1), bytes(range(256))).convert("RGB")
        levels = convert(ramp)
        return GrayConversion(levels) if _changes(ramp, levels) else None
    if mode == "RGB":
        lattice = _draw_lattice()
        return convert if _changes(lattice, convert(lattice)) else None
    if isinstance(convert, TableConversion) and convert.mode == "CMYK":
        return convert
    return lambda pixels: convert(convert_cmyk(pixels))


def _build_conversion(color: IccProfile | CodedColor, mode: str) -> Conversion | None:
    """Return the conversion of pixels of mode RGB, to which those of other modes are brought, or of mode CMYK."""
    if isinstance(color, CodedColor):
        return _convert_light(color)
    profile = read_profile(color.data)
    if profile is None or not color.applies_to(mode, profile.space):
        return None
    if isinstance(profile, MatrixProfile):
        matrix = SRGB_FROM_XYZ_D50 @ profile.to_xyz_d50
        return LinearLight.of(_clamp_light(profile.light, matrix), matrix)
    if isinstance(profile, TableProfile):
        return TableConversion(profile, keeps_black=color.keeps_black)
    return _convert_light(profile.color)


def _clamp_light(light: Floats, matrix: Floats) -> Floats:
    """Clamp the light of channels to 0..1 where Chromium does: they have curves of their own, and not sRGB's primaries.

    Source: read from Chromium 156.
    """
    have_one_curve = bool((light == light[0]).all())
    return light if have_one_curve or np.abs(matrix - np.eye(3)).max() < _SAME_PRIMARIES else np.clip(light, 0, 1)


def _convert_light(color: CodedColor) -> LinearLight | None:
    to_xyz, to_xyz_d50 = color.primaries.compute_to_xyz(), color.primaries.compute_to_xyz_d50()
    if to_xyz is None or to_xyz_d50 is None:
        return None
    if isinstance(color.transfer, Curve):
        light = color.transfer.linearize(SAMPLES)
        return LinearLight.of(np.tile(light, (3, 1)), SRGB_FROM_XYZ_D50 @ to_xyz_d50)
    bt2020 = BT2020.compute_to_xyz_d50()
    assert bt2020 is not None
    to_bt2020 = np.linalg.solve(bt2020, to_xyz_d50)
    is_hlg = color.transfer is HdrTransfer.HLG
    light = linearize_hlg(SAMPLES) if is_hlg else linearize_pq(SAMPLES) * _PQ_PEAK

    def adapt(light: Floats) -> Floats:
        if is_hlg:
            light = apply_hlg_display(light, to_xyz[1])
        return map_tones(light @ to_bt2020.T, color.peak_nits)

    return LinearLight.of(np.tile(light, (3, 1)), SRGB_FROM_XYZ_D50 @ bt2020, adapt)


@dataclass(frozen=True, slots=True, eq=False)
class GrayConversion:
    """Converts gray pixels by what becomes of the 256 levels."""

    levels: Image.Image

    def __call__(self, pixels: Image.Image) -> Image.Image:
        red, green, blue = (channel.tobytes() for channel in self.levels.split())
        channels = {table: pixels.point(table) for table in {red, green, blue}}
        return Image.merge("RGB", [channels[table] for table in (red, green, blue)])


def _draw_lattice() -> Image.Image:
    """Draw colors from all over the cube of RGB."""
    steps = np.linspace(0, 255, _LATTICE_POINTS).round().astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    return Image.fromarray(colors.reshape(_LATTICE_POINTS, -1, 3))


def _changes(pixels: Image.Image, converted: Image.Image) -> bool:
    """Tell whether a conversion changes a sample by more than one step."""
    before, after = (np.asarray(image.convert("RGB")).astype(np.int16) for image in (pixels, converted))
    return bool(np.abs(after - before).max() >= _LEAST_CHANGE)
