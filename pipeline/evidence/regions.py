"""Draws the image with its numbered regions, and the enlarged crops, on an evidence card."""

from PIL import Image

from pipeline import geometry
from pipeline.evidence.drawing import (
    INK,
    MUTED,
    Color,
    Rect,
    draw_outline,
    draw_rounded,
    measure_text,
    resize,
    write_text,
)
from pipeline.evidence.layout import Tile
from pipeline.verdict import BoundingBox
from pipeline.wire.messages import VerdictEvent

REGION: Color = (255, 196, 0)
IDLE_REGION: Color = (225, 228, 232)
BADGE_PX = 26
FRAME_PX = 3


def list_zoomed_boxes(event: VerdictEvent, size: geometry.Size) -> list[BoundingBox]:
    """List the boxes that Query 2 saw enlarged, in the order of its captions, clipped to an image of `size`."""
    corners = dict.fromkeys(region.box for region in event.scan.regions if region.zoomed)
    return [box for box in (geometry.clip(corner, size) for corner in corners) if box]


def draw_image(
    canvas: Image.Image, pixels: Image.Image, event: VerdictEvent, place: Rect, boxes: list[BoundingBox]
) -> None:
    canvas.paste(resize(pixels, (place[2] - place[0], place[3] - place[1])), place[:2])
    idle = (geometry.clip(region.box, pixels.size) for region in event.scan.regions if not region.zoomed)
    for box in idle:
        if box:
            draw_outline(canvas, map_to_card(box, pixels.size, place), IDLE_REGION, halo=INK, width=1)
    frames = [map_to_card(box, pixels.size, place) for box in boxes]
    for frame in frames:
        draw_outline(canvas, frame, REGION, halo=INK, width=FRAME_PX)
    badges: list[Rect] = []
    for number, frame in enumerate(frames, start=1):
        badges.append(find_free_corner(frame, place, badges))
        _draw_badge(canvas, badges[-1], number)


def draw_tile(canvas: Image.Image, pixels: Image.Image, tile: Tile, number: int, window: BoundingBox) -> None:
    left, top, right, _ = tile.cell
    x1, y1, x2, y2 = tile.crop
    canvas.paste(resize(pixels.crop(window.corners), (x2 - x1, y2 - y1)), (x1, y1))
    _draw_badge(canvas, (left, top, left + BADGE_PX, top + BADGE_PX), number)
    scale = f"{(x2 - x1) / window.width_px:.1f}x"
    captions = (f"{window.width_px} x {window.height_px} px, shown {scale}", f"shown {scale}", scale)
    room = right - left - BADGE_PX - 8
    caption = next((caption for caption in captions if measure_text(caption, 14) <= room), "")
    write_text(canvas, (left + BADGE_PX + 8, top + BADGE_PX / 2), caption, 14, fill=MUTED, anchor="lm")


def _draw_badge(canvas: Image.Image, at: Rect, number: int) -> None:
    draw_rounded(canvas, at, INK, radius=BADGE_PX // 2)
    draw_rounded(canvas, (at[0] + 2, at[1] + 2, at[2] - 2, at[3] - 2), REGION, radius=BADGE_PX // 2 - 2)
    middle = (at[0] + BADGE_PX / 2, at[1] + BADGE_PX / 2)
    write_text(canvas, middle, str(number), 15, fill=INK, bold=True, anchor="mm")


def map_to_card(box: BoundingBox, image: geometry.Size, place: Rect) -> Rect:
    """Return the pixels of the picture that show `box` if the image fills `place`."""
    x1, y1, x2, y2 = geometry.rescale(box.corners, from_size=image, to_size=(place[2] - place[0], place[3] - place[1]))
    left, top = place[0] + int(x1), place[1] + int(y1)
    return left, top, max(left + 1, place[0] + round(x2)), max(top + 1, place[1] + round(y2))


def find_free_corner(frame: Rect, place: Rect, occupied: list[Rect]) -> Rect:
    """Find a place for a badge where it hides neither its region nor another badge, if there is one."""
    x1, y1, x2, y2 = frame
    half = BADGE_PX // 2
    centers = [(x1, y1 - half), (x2, y1 - half), (x2, y2 + half), (x1, y2 + half), ((x1 + x2) // 2, y1 - half)]
    steps = [(x1 + BADGE_PX * step, y1 + BADGE_PX * row) for row in (0, 1, -1, 2) for step in range(1, 9)]
    candidates = [_move_inside((x - half, y - half, x + half, y + half), place) for x, y in (*centers, *steps)]
    return next((badge for badge in candidates if not any(overlap(badge, other) for other in occupied)), candidates[0])


def _move_inside(badge: Rect, place: Rect) -> Rect:
    """Move a badge into `place`; if `place` is narrower than the badge, center the badge on it."""
    x = max(min(badge[0], place[2] - BADGE_PX), min(place[0], (place[0] + place[2] - BADGE_PX) // 2))
    y = max(min(badge[1], place[3] - BADGE_PX), min(place[1], (place[1] + place[3] - BADGE_PX) // 2))
    return x, y, x + BADGE_PX, y + BADGE_PX


def overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
