"""Computes the place of each part of an evidence card: only arithmetic, so that tests can check any image shape."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evidence.drawing import Rect, contain

WIDTH_PX = 1280
MARGIN_PX = 36
GAP_PX = 24
HEADER_PX = 104
FOOTER_PX = 52
CAPTION_PX = 34  # number and size above each crop
ARROW_PX = 76

CONTENT_PX = WIDTH_PX - 2 * MARGIN_PX
IMAGE_ROOM = (620, 660)
IMAGE_ROOM_BESIDE_MANY = (500, 660)
MANY_CROPS = 5
WIDE_ROOM = (CONTENT_PX, 520)
WIDE_ASPECT = 2.0
MIN_BODY_PX = 360
CROPS_BELOW_PX = 480
NOTE_PX = 84
MAX_IMAGE_SCALE = 16.0
MAX_CROP_SCALE = 24.0

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tile:
    """The place of a crop: `cell` holds its caption and, below that at the left, `crop`, its enlarged pixels."""

    cell: Rect
    crop: Rect


@dataclass(frozen=True, slots=True)
class PanelLayout:
    """The half-open rectangles of an evidence card; `note` replaces the crops if there are none."""

    size: Size
    image: Rect
    tiles: tuple[Tile, ...]
    note: Rect | None
    scan: Rect
    check: Rect
    footer: Rect


def arrange_panels(image: Size, crops: Sequence[Size], *, answer_px: int) -> PanelLayout:
    """Place crops beside the image, or below a wide image, and both answers, `answer_px` high, under them."""
    place = _place_below if image[0] / image[1] > WIDE_ASPECT else _place_beside
    placed, tiles, note, bottom = place(image, crops)
    top, right = bottom + GAP_PX, MARGIN_PX + CONTENT_PX
    answer_width = (CONTENT_PX - ARROW_PX) // 2
    scan = (MARGIN_PX, top, MARGIN_PX + answer_width, top + answer_px)
    check = (right - answer_width, top, right, top + answer_px)
    footer = (MARGIN_PX, top + answer_px, right, top + answer_px + FOOTER_PX)
    return PanelLayout((WIDTH_PX, footer[3]), placed, tuple(tiles), note, scan, check, footer)


def _place_beside(image: Size, crops: Sequence[Size]) -> tuple[Rect, list[Tile], Rect | None, int]:
    room = IMAGE_ROOM if len(crops) < MANY_CROPS else IMAGE_ROOM_BESIDE_MANY
    width, height = contain(image, room, max_scale=MAX_IMAGE_SCALE)
    body = max(height, MIN_BODY_PX)
    y = HEADER_PX + (body - height) // 2 if not crops else HEADER_PX
    placed = (MARGIN_PX, y, MARGIN_PX + width, y + height)
    column = (placed[2] + GAP_PX, HEADER_PX, MARGIN_PX + CONTENT_PX, HEADER_PX + body)
    if not crops:
        return placed, [], column, column[3]
    tiles = arrange_tiles(column, crops)
    return placed, tiles, None, max(placed[3], tiles[-1].cell[3])


def _place_below(image: Size, crops: Sequence[Size]) -> tuple[Rect, list[Tile], Rect | None, int]:
    width, height = contain(image, WIDE_ROOM, max_scale=MAX_IMAGE_SCALE)
    x = MARGIN_PX + (CONTENT_PX - width) // 2
    placed = (x, HEADER_PX, x + width, HEADER_PX + height)
    top, right = placed[3] + GAP_PX, MARGIN_PX + CONTENT_PX
    if not crops:
        note = (MARGIN_PX, top, right, top + NOTE_PX)
        return placed, [], note, note[3]
    tiles = arrange_tiles((MARGIN_PX, top, right, top + CROPS_BELOW_PX), crops)
    return placed, tiles, None, tiles[-1].cell[3]


def arrange_tiles(room: Rect, crops: Sequence[Size]) -> list[Tile]:
    """Arrange tiles row by row, in the number of columns that enlarges the crops most; rows have minimal height."""
    width, height = room[2] - room[0], room[3] - room[1]
    splits = ((columns, _fit_crops(crops, columns, width, height)) for columns in range(1, len(crops) + 1))
    columns, sizes = max(splits, key=lambda split: sum(math.sqrt(wide * high) for wide, high in split[1]))
    cell_width = _compute_cell_length(width, columns)
    tiles: list[Tile] = []
    y = room[1]
    for first in range(0, len(sizes), columns):
        row = sizes[first : first + columns]
        bottom = y + CAPTION_PX + max(high for _, high in row)
        for column, (wide, high) in enumerate(row):
            x, top = room[0] + column * (cell_width + GAP_PX), y + CAPTION_PX
            tiles.append(Tile((x, y, x + cell_width, bottom), (x, top, x + wide, top + high)))
        y = bottom + GAP_PX
    return tiles


def _fit_crops(crops: Sequence[Size], columns: int, width: int, height: int) -> list[Size]:
    rows = math.ceil(len(crops) / columns)
    room = max(1, _compute_cell_length(width, columns)), max(1, _compute_cell_length(height, rows) - CAPTION_PX)
    return [contain(crop, room, max_scale=MAX_CROP_SCALE) for crop in crops]


def _compute_cell_length(length: int, count: int) -> int:
    return (length - GAP_PX * (count - 1)) // count
