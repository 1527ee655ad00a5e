"""Writes text and draws shapes on a Pillow image, for the evidence card.

The font is the one inside Pillow (no font files), which has few letters besides ASCII.
"""

import unicodedata
from collections.abc import Callable
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Rect = tuple[int, int, int, int]

INK: Color = (22, 27, 34)
MUTED: Color = (95, 104, 117)

SMOOTHING = 4  # shapes are drawn this much larger and scaled down: Pillow's own edges are jagged
BOLD_STROKE_PX = 0.4
ELLIPSIS = "..."


@cache
def load_font(size: int) -> ImageFont.FreeTypeFont:
    loaded = ImageFont.load_default(size=size)
    assert isinstance(loaded, ImageFont.FreeTypeFont)
    return loaded


def make_printable(text: str) -> str:
    """Reduce `text` to ASCII: drop accents, join blanks of any kind to one, replace other letters by question marks."""
    folded = unicodedata.normalize("NFKD", " ".join(text.split()))
    letters = (letter for letter in folded if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "?" for letter in letters)


def measure_text(text: str, size: int, *, bold: bool = False) -> int:
    left, _, right, _ = load_font(size).getbbox(text, stroke_width=BOLD_STROKE_PX if bold else 0)
    return round(right - left)


def shorten(text: str, size: int, width: int) -> str:
    """Leave out the middle of `text` until it fits `width`: names differ at both ends."""
    if measure_text(text, size) <= width:
        return text
    keep = _find_longest(len(text) - 1, lambda length: measure_text(_drop_middle(text, length), size) <= width)
    return _drop_middle(text, max(2, keep))


def _drop_middle(text: str, keep: int) -> str:
    head = keep // 2
    return text[:head] + ELLIPSIS + text[len(text) - (keep - head) :]


def wrap_text(text: str, size: int, width: int, *, max_lines: int) -> list[str]:
    """Break `text` into lines no wider than `width`; the last of `max_lines` ends in dots if text remains.

    A word that is wider than a line is broken.
    """
    lines: list[str] = []
    rest = text
    while rest and len(lines) < max_lines:
        line = _take_first_line(rest, size, width)
        lines.append(line.rstrip())
        rest = rest[len(line) :].lstrip()
    if rest:
        lines[-1] = _append_ellipsis(lines[-1], size, width)
    return lines


def _take_first_line(text: str, size: int, width: int) -> str:
    end = max(1, _find_longest(len(text), lambda length: measure_text(text[:length].rstrip(), size) <= width))
    if end == len(text) or text[end] == " ":
        return text[:end]
    blank = text.rfind(" ", 0, end)
    return text[: blank + 1] if blank > 0 else text[:end]


def _find_longest(limit: int, fits: Callable[[int], bool]) -> int:
    """Find the largest length up to `limit` that fits, by bisection; 0 if none fits."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _append_ellipsis(line: str, size: int, width: int) -> str:
    while line and measure_text(line + ELLIPSIS, size) > width:
        line = line[:-1].rstrip()
    return line + ELLIPSIS


def write_text(
    canvas: Image.Image,
    at: tuple[float, float],
    text: str,
    size: int,
    *,
    fill: Color,
    bold: bool = False,
    anchor: str = "la",
) -> None:
    stroke = BOLD_STROKE_PX if bold else 0
    ImageDraw.Draw(canvas).text(at, text, font=load_font(size), fill=fill, anchor=anchor, stroke_width=stroke)


def draw_rounded(canvas: Image.Image, rect: Rect, fill: Color, *, radius: int) -> None:
    """Fill a rectangle with smooth round corners."""
    width, height = rect[2] - rect[0], rect[3] - rect[1]
    mask = Image.new("L", (width * SMOOTHING, height * SMOOTHING), 0)
    far = (mask.width - 1, mask.height - 1)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *far), radius=radius * SMOOTHING, fill=255)
    canvas.paste(fill, rect, mask.resize((width, height), Image.Resampling.BOX))


def draw_polygon(canvas: Image.Image, points: list[tuple[float, float]], fill: Color) -> None:
    """Fill a polygon with smooth edges."""
    left, top = (int(min(point[axis] for point in points)) for axis in (0, 1))
    right, bottom = (int(max(point[axis] for point in points)) + 1 for axis in (0, 1))
    mask = Image.new("L", ((right - left) * SMOOTHING, (bottom - top) * SMOOTHING), 0)
    ImageDraw.Draw(mask).polygon([((x - left) * SMOOTHING, (y - top) * SMOOTHING) for x, y in points], fill=255)
    canvas.paste(fill, (left, top, right, bottom), mask.resize((right - left, bottom - top), Image.Resampling.BOX))


def draw_outline(canvas: Image.Image, rect: Rect, color: Color, *, halo: Color, width: int) -> None:
    """Draw a frame around `rect`, outside it so that no pixel of it is hidden, with a halo for any background."""
    draw = ImageDraw.Draw(canvas)
    x1, y1, x2, y2 = rect[0] - width, rect[1] - width, rect[2] + width - 1, rect[3] + width - 1
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=halo, width=1)
    draw.rectangle((x1, y1, x2, y2), outline=color, width=width)
    draw.rectangle((x1 + width, y1 + width, x2 - width, y2 - width), outline=halo, width=1)


def contain(size: tuple[int, int], room: tuple[int, int], *, max_scale: float) -> tuple[int, int]:
    """Return the largest size of the same shape in `room`, at most `max_scale` times `size`, no side below 1 px."""
    scale = min(room[0] / size[0], room[1] / size[1], max_scale)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resize(pixels: Image.Image, size: tuple[int, int]) -> Image.Image:
    return pixels.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
