"""Draw the pictures of a dataset card: bars of both classes side by side, and galleries of images with boxes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from pipeline import geometry
from pipeline.evidence.card import LINE, PAPER, VERDICT_COLOR
from pipeline.evidence.drawing import (
    INK,
    MUTED,
    Color,
    contain,
    draw_outline,
    draw_rounded,
    make_printable,
    measure_text,
    shorten,
    wrap_text,
    write_text,
)
from pipeline.evidence.regions import REGION
from pipeline.verdict import Verdict
from training.dataset.labeled_image import LabeledImage

WIDTH_PX = 900
MARGIN_PX = 24
TITLE_PX, TEXT_PX, SMALL_PX = 22, 16, 14
BAR_PX, PAIR_PX = 11, 34
HEAD_PX = 84
TILE_PX, TILE_GAP_PX, CAPTION_LINES, LINE_PX = 260, 16, 4, 18
COLUMNS = 3


def draw_bars(title: str, counts: Mapping[Verdict, Mapping[str, int]]) -> Image.Image:
    """Draw a pair of bars for each name, real above generated; names are in the order of their first class."""
    names = list(dict.fromkeys(name for own in counts.values() for name in own))
    canvas = Image.new("RGB", (WIDTH_PX, HEAD_PX + PAIR_PX * max(1, len(names)) + MARGIN_PX), PAPER)
    write_text(canvas, (MARGIN_PX, MARGIN_PX), title, TITLE_PX, fill=INK, bold=True)
    _draw_key(canvas)
    label_px = max((measure_text(make_printable(name), TEXT_PX) for name in names), default=0) + MARGIN_PX
    left, room = MARGIN_PX + label_px, WIDTH_PX - 3 * MARGIN_PX - label_px - 40
    most = max((count for own in counts.values() for count in own.values()), default=0) or 1
    for row, name in enumerate(names):
        top = HEAD_PX + row * PAIR_PX
        write_text(canvas, (left - 12, top + PAIR_PX // 2 - 3), make_printable(name), TEXT_PX, fill=INK, anchor="rm")
        for place, (label, own) in enumerate(counts.items()):
            count, y = own.get(name, 0), top + place * (BAR_PX + 2)
            length = round(room * count / most)
            if length > 3:
                draw_rounded(canvas, (left, y, left + length, y + BAR_PX), VERDICT_COLOR[label], radius=3)
            write_text(canvas, (left + length + 8, y + BAR_PX // 2), str(count), SMALL_PX, fill=MUTED, anchor="lm")
    return canvas


def draw_gallery(root: Path, title: str, images: Sequence[LabeledImage], color: Color = REGION) -> Image.Image:
    """Draw images of the set with their boxes, each above the beginning of its explanation; one is open at a time."""
    rows = max(1, -(-len(images) // COLUMNS))
    step = TILE_PX + CAPTION_LINES * LINE_PX + 2 * TILE_GAP_PX
    width = 2 * MARGIN_PX + COLUMNS * TILE_PX + (COLUMNS - 1) * TILE_GAP_PX
    canvas = Image.new("RGB", (width, 64 + rows * step), PAPER)
    write_text(canvas, (MARGIN_PX, MARGIN_PX), title, TITLE_PX, fill=INK, bold=True)
    for place, image in enumerate(images):
        x = MARGIN_PX + place % COLUMNS * (TILE_PX + TILE_GAP_PX)
        y = 64 + place // COLUMNS * step
        _draw_tile(canvas, root, image, (x, y), color)
    return canvas


def _draw_tile(canvas: Image.Image, root: Path, image: LabeledImage, at: tuple[int, int], color: Color) -> None:
    x, y = at
    with Image.open(root / image.file) as opened:
        size = opened.size
        room = contain(size, (TILE_PX, TILE_PX), max_scale=math.inf)
        tile = opened.convert("RGB").resize(room, Image.Resampling.BICUBIC)
    for box in image.regions:
        corners = geometry.rescale(box.corners, from_size=size, to_size=tile.size)
        inside = geometry.clip(corners, tile.size)
        if inside is not None:
            draw_outline(tile, inside.corners, color, halo=LINE, width=2)
    canvas.paste(tile, at)
    text = make_printable(image.explanation) or shorten(
        make_printable(image.require_provenance().source_file), SMALL_PX, TILE_PX
    )
    for line, words in enumerate(wrap_text(text, SMALL_PX, TILE_PX, max_lines=CAPTION_LINES)):
        write_text(canvas, (x, y + TILE_PX + 6 + line * LINE_PX), words, SMALL_PX, fill=MUTED)


def _draw_key(canvas: Image.Image) -> None:
    x = MARGIN_PX
    for label in Verdict:
        draw_rounded(canvas, (x, 59, x + 12, 71), VERDICT_COLOR[label], radius=3)
        write_text(canvas, (x + 18, 65), label, SMALL_PX, fill=MUTED, anchor="lm")
        x += 18 + measure_text(label, SMALL_PX) + MARGIN_PX
