"""The evidence card: image, numbered regions, crops, both answers and the verdict as one picture."""

from urllib.parse import quote

from PIL import Image

from pipeline import geometry
from pipeline.evidence.drawing import (
    Color,
    Rect,
    outline,
    polygon,
    printable,
    resize,
    rounded,
    shorten,
    text_width,
    wrap,
    write,
)
from pipeline.evidence.layout import ARROW_PX, CONTENT_PX, GAP_PX, MARGIN_PX, CardLayout, Tile, arrange
from pipeline.verdict import BoundingBox, Status, Verdict
from pipeline.wire.messages import CheckEvidence, ScanEvidence, VerdictEvent

PAPER: Color = (255, 255, 255)
PANEL: Color = (245, 246, 248)
LINE: Color = (221, 225, 230)
INK: Color = (22, 27, 34)
MUTED: Color = (95, 104, 117)
REGION: Color = (255, 196, 0)
IDLE_REGION: Color = (225, 228, 232)
# Told apart by people of every colour vision (after Okabe and Ito), and always beside the word.
VERDICT_COLOR: dict[Verdict, Color] = {Verdict.REAL: (0, 120, 104), Verdict.GENERATED: (200, 70, 0)}
VERDICT_TINT: dict[Verdict, Color] = {Verdict.REAL: (214, 236, 231), Verdict.GENERATED: (250, 226, 209)}

PADDING_PX = 22
ANSWER_HEAD_PX = 112
TEXT_PX = 17
LINE_PX = 25
MAX_LINES = 14
BADGE_PX = 26
FRAME_PX = 3
URL_SAFE = "".join(chr(code) for code in range(33, 127))

NOT_CHECKED = "Query 2 gave no readable answer: the verdict of the global scan stands."
NOT_GROUNDED = "No region to enlarge: Query 2 saw the image alone."
NO_CROPS_SEEN = "No region to enlarge."


def card(pixels: Image.Image, event: VerdictEvent) -> Image.Image:
    """One picture that answers "why was this flagged?"; `pixels` is the full-size upright RGB image."""
    boxes = zoomed(event, pixels.size)
    explanations = [_lines(answer) for answer in (event.scan, event.check)]
    height = ANSWER_HEAD_PX + max(map(len, explanations)) * LINE_PX + PADDING_PX
    windows = [geometry.crop_window(box, pixels.size) for box in boxes]
    layout = arrange(pixels.size, [(w.width_px, w.height_px) for w in windows], answer_px=height)
    canvas = Image.new("RGB", layout.size, PAPER)
    _draw_header(canvas, event)
    _draw_image(canvas, pixels, event, layout.image, boxes)
    for number, (tile, window) in enumerate(zip(layout.tiles, windows, strict=True), start=1):
        _draw_tile(canvas, pixels, tile, number, window)
    if layout.note:
        _draw_note(canvas, layout.note, NO_CROPS_SEEN if event.check is None else NOT_GROUNDED)
    _draw_answer(canvas, layout.scan, "Global scan", event.scan, explanations[0])
    _draw_answer(canvas, layout.check, "Local check", event.check, explanations[1])
    _draw_between(canvas, layout, event)
    _draw_footer(canvas, layout.footer, event)
    return canvas


def zoomed(event: VerdictEvent, size: geometry.Size) -> list[BoundingBox]:
    """The boxes that Query 2 saw enlarged, in its numbering, within an image of `size`."""
    corners = dict.fromkeys(region.box for region in event.scan.regions if region.zoomed)
    return [box for box in (geometry.clip(corner, size) for corner in corners) if box]


def image_name(event: VerdictEvent) -> str:
    """Where the image is: its s3 URL, or the path of a local file; odd letters percent-encoded."""
    image = event.image
    name = f"s3://{image.bucket}/{image.key}" if image.bucket else image.key
    return quote(name, safe=URL_SAFE, errors="replace")


def _lines(answer: ScanEvidence | CheckEvidence | None) -> list[str]:
    if answer is None:
        text = NOT_CHECKED
    else:
        text = printable(answer.explanation) or "(no explanation)"
        text += "... (cut at the token limit)" if answer.truncated else ""
    return wrap(text, TEXT_PX, (CONTENT_PX - ARROW_PX) // 2 - 2 * PADDING_PX, max_lines=MAX_LINES)


def _draw_header(canvas: Image.Image, event: VerdictEvent) -> None:
    right, color = MARGIN_PX + CONTENT_PX, VERDICT_COLOR[event.verdict]
    word = event.verdict.upper()
    width = text_width(word, 30, bold=True) + 44
    rounded(canvas, (right - width, 26, right, 78), color, radius=26)
    write(canvas, (right - width / 2, 52), word, 30, fill=PAPER, bold=True, anchor="mm")
    write(canvas, (right - width - 18, 50), _sure(event), 19, fill=INK, bold=True, anchor="rs")
    write(canvas, (right - width - 18, 72), _remark(event), 15, fill=MUTED, anchor="rs")
    taken = width + 18 + max(text_width(_sure(event), 19, bold=True), text_width(_remark(event), 15)) + GAP_PX
    room = CONTENT_PX - taken
    name = image_name(event)
    write(canvas, (MARGIN_PX, 50), shorten(name.rsplit("/", 1)[-1], 24, room), 24, fill=INK, bold=True, anchor="ls")
    write(canvas, (MARGIN_PX, 74), shorten(_facts(event, name), 15, room), 15, fill=MUTED, anchor="ls")


def _sure(event: VerdictEvent) -> str:
    return f"{event.confidence:.0%} confident" if event.confidence < 0.995 else "over 99% confident"


def _remark(event: VerdictEvent) -> str:
    remarks = {
        f"corrected by {'zooming in' if event.status is Status.COMPLETE else 'Query 2'}": event.corrected,
        "uncertain": event.uncertain,
        event.status: event.status is not Status.COMPLETE,
    }
    return ", ".join(remark for remark, said in remarks.items() if said) or "both queries agree"


def _facts(event: VerdictEvent, name: str) -> str:
    image = event.image
    frames = f", first of {image.frames} frames" if image.frames > 1 else ""
    return f"{image.width_px} x {image.height_px} px, {printable(image.format)}{frames}  ·  {name}"


def _draw_image(
    canvas: Image.Image, pixels: Image.Image, event: VerdictEvent, place: Rect, boxes: list[BoundingBox]
) -> None:
    shown = resize(pixels, (place[2] - place[0], place[3] - place[1]))
    canvas.paste(shown, place[:2])
    idle = (geometry.clip(region.box, pixels.size) for region in event.scan.regions if not region.zoomed)
    for box in idle:
        if box:
            outline(canvas, on_card(box, pixels.size, place), IDLE_REGION, halo=INK, width=1)
    frames = [on_card(box, pixels.size, place) for box in boxes]
    for frame in frames:
        outline(canvas, frame, REGION, halo=INK, width=FRAME_PX)
    taken: list[Rect] = []
    for number, frame in enumerate(frames, start=1):
        taken.append(free_corner(frame, place, taken))
        _draw_badge(canvas, taken[-1], number)


def on_card(box: BoundingBox, image: geometry.Size, place: Rect) -> Rect:
    """The pixels of the card that show `box` when the image fills `place`."""
    x1, y1, x2, y2 = geometry.rescale(box.corners, from_size=image, to_size=(place[2] - place[0], place[3] - place[1]))
    left, top = place[0] + int(x1), place[1] + int(y1)
    return left, top, max(left + 1, place[0] + round(x2)), max(top + 1, place[1] + round(y2))


def free_corner(frame: Rect, place: Rect, taken: list[Rect]) -> Rect:
    """Where a number hides neither its region nor another number, as far as there is such a place."""
    x1, y1, x2, y2 = frame
    half = BADGE_PX // 2
    centers = [(x1, y1 - half), (x2, y1 - half), (x2, y2 + half), (x1, y2 + half), ((x1 + x2) // 2, y1 - half)]
    steps = [(x1 + BADGE_PX * step, y1 + BADGE_PX * row) for row in (0, 1, -1, 2) for step in range(1, 9)]
    badges = [_inside((x - half, y - half, x + half, y + half), place) for x, y in (*centers, *steps)]
    return next((badge for badge in badges if not any(overlap(badge, other) for other in taken)), badges[0])


def _inside(badge: Rect, place: Rect) -> Rect:
    """Moved by what it reaches beyond `place`; a place thinner than a badge lets it stick out evenly."""
    x = max(min(badge[0], place[2] - BADGE_PX), min(place[0], (place[0] + place[2] - BADGE_PX) // 2))
    y = max(min(badge[1], place[3] - BADGE_PX), min(place[1], (place[1] + place[3] - BADGE_PX) // 2))
    return x, y, x + BADGE_PX, y + BADGE_PX


def overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _draw_badge(canvas: Image.Image, at: Rect, number: int) -> None:
    rounded(canvas, at, INK, radius=BADGE_PX // 2)
    rounded(canvas, (at[0] + 2, at[1] + 2, at[2] - 2, at[3] - 2), REGION, radius=BADGE_PX // 2 - 2)
    middle = (at[0] + BADGE_PX / 2, at[1] + BADGE_PX / 2)
    write(canvas, middle, str(number), 15, fill=INK, bold=True, anchor="mm")


def _draw_tile(canvas: Image.Image, pixels: Image.Image, tile: Tile, number: int, window: BoundingBox) -> None:
    left, top, right, _ = tile.cell
    x1, y1, x2, y2 = tile.crop
    canvas.paste(resize(pixels.crop(window.corners), (x2 - x1, y2 - y1)), (x1, y1))
    _draw_badge(canvas, (left, top, left + BADGE_PX, top + BADGE_PX), number)
    scale = f"{(x2 - x1) / window.width_px:.1f}x"
    captions = (f"{window.width_px} x {window.height_px} px, shown {scale}", f"shown {scale}", scale)
    room = right - left - BADGE_PX - 8
    caption = next((caption for caption in captions if text_width(caption, 14) <= room), "")
    write(canvas, (left + BADGE_PX + 8, top + BADGE_PX / 2), caption, 14, fill=MUTED, anchor="lm")


def _draw_note(canvas: Image.Image, rect: Rect, text: str) -> None:
    rounded(canvas, rect, PANEL, radius=14)
    lines = wrap(text, TEXT_PX, rect[2] - rect[0] - 2 * PADDING_PX, max_lines=3)
    middle = (rect[1] + rect[3]) / 2 - LINE_PX * (len(lines) - 1) / 2
    for row, line in enumerate(lines):
        write(canvas, ((rect[0] + rect[2]) / 2, middle + row * LINE_PX), line, TEXT_PX, fill=MUTED, anchor="mm")


def _draw_answer(
    canvas: Image.Image, rect: Rect, title: str, answer: ScanEvidence | CheckEvidence | None, lines: list[str]
) -> None:
    rounded(canvas, rect, PANEL, radius=14)
    left, top, right = rect[0] + PADDING_PX, rect[1] + PADDING_PX, rect[2] - PADDING_PX
    write(canvas, (left, top + 18), title, 19, fill=INK, bold=True, anchor="ls")
    if answer is None:
        write(canvas, (right, top + 18), "no answer", 19, fill=MUTED, bold=True, anchor="rs")
    else:
        color = VERDICT_COLOR[answer.verdict]
        write(canvas, (right, top + 18), str(answer.verdict), 19, fill=color, bold=True, anchor="rs")
        _draw_scale(canvas, (left, top + 36, right, top + 46), answer.p_generated)
    for row, line in enumerate(lines):
        write(canvas, (left, rect[1] + ANSWER_HEAD_PX + row * LINE_PX), line, TEXT_PX, fill=INK)


def _draw_scale(canvas: Image.Image, rail: Rect, p_generated: float) -> None:
    """P(generated) as a place between real (left) and generated (right); the colour grows from undecided, 0.5."""
    left, top, right, bottom = rail
    middle, at = (left + right) // 2, round(left + (right - left) * p_generated)
    side = Verdict.GENERATED if p_generated >= 0.5 else Verdict.REAL
    rounded(canvas, (left, top, right, bottom), VERDICT_TINT[Verdict.REAL], radius=5)
    rounded(canvas, (middle - 5, top, right, bottom), VERDICT_TINT[Verdict.GENERATED], radius=5)
    if abs(at - middle) > 10:
        rounded(canvas, (min(at, middle), top, max(at, middle), bottom), VERDICT_COLOR[side], radius=5)
    rounded(canvas, (middle - 1, top - 3, middle + 1, bottom + 3), MUTED, radius=1)
    knob = min(max(at, left + 9), right - 9)
    rounded(canvas, (knob - 11, top - 6, knob + 11, bottom + 6), PANEL, radius=11)
    rounded(canvas, (knob - 8, top - 3, knob + 8, bottom + 3), VERDICT_COLOR[side], radius=8)
    write(canvas, (left, bottom + 20), "real", 14, fill=MUTED, anchor="ls")
    write(canvas, (right, bottom + 20), "generated", 14, fill=MUTED, anchor="rs")
    write(canvas, (middle, bottom + 20), f"P(generated) {p_generated:.2f}", 14, fill=INK, anchor="ms")


def _draw_between(canvas: Image.Image, layout: CardLayout, event: VerdictEvent) -> None:
    """An arrow where Query 2 corrected Query 1; a plain line where it only had to agree."""
    left, right = layout.scan[2] + 10, layout.check[0] - 10
    y = layout.scan[1] + ANSWER_HEAD_PX - 40
    if not event.corrected:
        rounded(canvas, (left + 10, y - 1, right - 10, y + 1), LINE, radius=1)
        return
    color = VERDICT_COLOR[event.verdict]
    rounded(canvas, (left, y - 4, right - 16, y + 4), color, radius=4)
    polygon(canvas, [(right - 24, y - 17), (right, y), (right - 24, y + 17)], color)
    write(canvas, ((left + right) / 2, y - 28), "corrected", 13, fill=color, bold=True, anchor="ms")


def _draw_footer(canvas: Image.Image, rect: Rect, event: VerdictEvent) -> None:
    model = event.model
    who = f"{model.name}  ·  {model.revision[:19]}  ·  prompt {model.prompt_version}  ·  {model.engine}"
    spent = event.timing_s
    seconds = f"  ·  {spent['total'] - spent.get('queued', 0):.2f} s" if "total" in spent else ""
    when = f"{event.decided_at:%Y-%m-%d %H:%M:%S %Z}{seconds}"
    y, room = rect[1] + 28, (rect[2] - rect[0]) // 2 - GAP_PX
    write(canvas, (rect[0], y), shorten(_plain(who), 12, room), 12, fill=MUTED, anchor="ls")
    write(
        canvas,
        (rect[2], y),
        shorten(_plain(f"event {event.event_id}  ·  {when}"), 12, room),
        12,
        fill=MUTED,
        anchor="rs",
    )


def _plain(text: str) -> str:
    return "  ·  ".join(map(printable, text.split("·")))
