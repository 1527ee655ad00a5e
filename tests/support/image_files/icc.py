"""Builds color profiles tag by tag, so that a test can break any of them. Source: ICC.1:2022."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
D50 = (0.9642, 1.0, 0.8249)
SRGB_COLUMNS = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))
P3_COLUMNS = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
SWAPPED_COLUMNS = SRGB_COLUMNS[::-1]


def write_numbers(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def write_xyz(numbers: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + write_numbers(*numbers)


def write_gamma(gamma: float) -> bytes:
    return b"curv" + struct.pack(">4xIH", 1, round(gamma * 256))


def write_curve(values: Sequence[float]) -> bytes:
    return b"curv" + struct.pack(">4xI", len(values)) + bytes(np.rint(np.array(values) * 65535).astype(">u2").data)


def write_parameters(kind: int, *numbers: float) -> bytes:
    return b"para" + struct.pack(">4xHH", kind, 0) + write_numbers(*numbers)


def build_profile(
    tags: Mapping[bytes, bytes],
    *,
    space: bytes = b"RGB ",
    connection_space: bytes = b"XYZ ",
    version: int = 2,
    profile_class: bytes = b"mntr",
    white: Sequence[float] = D50,
    signature: bytes = b"acsp",
    name: str = "sRGB IEC61966-2.1",
) -> bytes:
    description = b"desc" + struct.pack(">4xI", len(name) + 1) + name.encode() + bytes(79)
    tags = {b"desc": description, **tags}
    start = 132 + 12 * len(tags)
    table, body = b"", b""
    for tag, content in tags.items():
        table += struct.pack(">4sII", tag, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI", start + len(body), version << 24) + profile_class + space + connection_space
    head += bytes(12) + signature + bytes(28) + write_numbers(*white) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body


def build_rgb_profile(
    columns: Sequence[Sequence[float]] = P3_COLUMNS,
    *curves: bytes,
    extra: Mapping[bytes, bytes] | None = None,
    **header: Any,
) -> bytes:
    """Build a profile of a matrix and of one curve, or one for each channel; gamma 2.2 by default."""
    curves = curves or (write_gamma(2.2),)
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(write_xyz, columns), strict=True))
    tags |= dict(zip((b"rTRC", b"gTRC", b"bTRC"), curves if len(curves) == 3 else curves * 3, strict=True))
    return build_profile({**tags, **(extra or {})}, **header)


def build_gray_profile(curve: bytes | None = None, **header: Any) -> bytes:
    return build_profile({b"kTRC": curve or write_gamma(1.0)}, space=b"GRAY", **header)


def build_table_profile(
    table: bytes, *, space: bytes = b"RGB ", connection_space: bytes = b"Lab ", tag: bytes = b"A2B0", **header: Any
) -> bytes:
    return build_profile({tag: table}, space=space, connection_space=connection_space, **header)


def compute_lab(colors: Array, *, columns: Sequence[Sequence[float]] = P3_COLUMNS, gamma: float = 2.2) -> Array:
    """Return Lab, from 0 to 1, of RGB colors of these primaries. Shapes: (N, 3) to (N, 3)."""
    ratios = (colors**gamma) @ np.array(columns) / D50
    x, y, z = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y) + 128, 200 * (y - z) + 128], 1).clip(0, 255) / (100, 255, 255)


def list_grid(points: int, inputs: int) -> Array:
    steps = np.linspace(0, 1, points)
    return np.stack(np.meshgrid(*[steps] * inputs, indexing="ij"), -1).reshape(-1, inputs)


def build_plain_table(look_up: Callable[[Array], Array], *, inputs: int = 3, points: int = 9, width: int = 2) -> bytes:
    """Build a table of the older kinds (of 1 or 2 bytes a number), with curves that change nothing."""
    curve = np.linspace(0, 1, 256)
    parts = [np.tile(curve, inputs), look_up(list_grid(points, inputs)).clip(0, 1).ravel(), np.tile(curve, 3)]
    numbers = np.rint(np.concatenate(parts) * (256**width - 1)).astype(f">u{width}")
    head = (b"mft1" if width == 1 else b"mft2") + bytes([0, 0, 0, 0, inputs, 3, points, 0])
    head += write_numbers(1, 0, 0, 0, 1, 0, 0, 0, 1) + (struct.pack(">HH", 256, 256) if width == 2 else b"")
    return head + bytes(numbers.data)


def build_staged_table(
    look_up: Callable[[Array], Array] | None, *, points: int = 9, matrix: Sequence[float] = (), middle: bytes = b""
) -> bytes:
    """Build a table of the newer kind: a grid, if it is given, then curves and a matrix, if they are given."""
    straight = b"curv" + bytes(8)
    parts, at = [straight * 3], [32]
    for content in (
        write_numbers(*matrix),
        (middle + bytes(-len(middle) % 4)) * 3,
        b"" if look_up is None else _write_grid(look_up, points),
        b"" if look_up is None else straight * 3,
    ):
        at.append(at[0] + sum(map(len, parts)) if content else 0)
        parts.append(content)
    return b"mAB " + struct.pack(">4xBB2x5I", 3, 3, *at) + b"".join(parts) + bytes(4)


def _write_grid(look_up: Callable[[Array], Array], points: int) -> bytes:
    numbers = bytes(np.rint(look_up(list_grid(points, 3)).clip(0, 1) * 65535).astype(">u2").data)
    return bytes([points] * 3 + [0] * 13 + [2, 0, 0, 0]) + numbers + bytes(-len(numbers) % 4)
