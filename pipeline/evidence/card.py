"""Draws the evidence card as one picture: header, image and crops, both answers, footer."""

from urllib.parse import quote

from PIL import Image

from pipeline import geometry
from pipeline.evidence.drawing import (
    INK,
    MUTED,
    Color,
    Rect,
    draw_polygon,
    draw_rounded,
    make_printable,
    measure_text,
    shorten,
    wrap_text,
    write_text,
)
from pipeline.evidence.layout import ARROW_PX, CONTENT_PX, GAP_PX, MARGIN_PX, PanelLayout, arrange_panels
from pipeline.evidence.regions import draw_image, draw_tile, list_zoomed_boxes
from pipeline.verdict import Status, Verdict
from pipeline.wire.messages import CheckEvidence, ScanEvidence, VerdictEvent

PAPER: Color = (255, 255, 255)
PANEL: Color = (245, 246, 248)
LINE: Color = (221, 225, 230)
# Distinct for every type of colour vision (after Okabe and Ito), and always beside the word.
VERDICT_COLOR: dict[Verdict, Color] = {Verdict.REAL: (0, 120, 104), Verdict.GENERATED: (200, 70, 0)}
VERDICT_TINT: dict[Verdict, Color] = {Verdict.REAL: (214, 236, 231), Verdict.GENERATED: (250, 226, 209)}

PADDING_PX = 22
ANSWER_HEAD_PX = 112
TEXT_PX = 17
LINE_PX = 25
MAX_LINES = 14
URL_SAFE = "".join(chr(code) for code in range(33, 127))

NOT_CHECKED = "Query 2 gave no readable answer: the verdict of the global scan stands."
NOT_GROUNDED = "No region to enlarge: Query 2 saw the image alone."
NO_CROPS_SEEN = "No region to enlarge."


def draw_evidence_card(pixels: Image.Image, event: VerdictEvent) -> Image.Image:
    """Draw one picture that shows why an image got its verdict; `pixels` is the full-size upright RGB image."""
    boxes = list_zoomed_boxes(event, pixels.size)
    explanations = [_wrap_explanation(answer) for answer in (event.scan, event.check)]
    height = ANSWER_HEAD_PX + max(map(len, explanations)) * LINE_PX + PADDING_PX
    windows = [geometry.find_crop_window(box, pixels.size) for box in boxes]
    layout = arrange_panels(pixels.size, [(w.width_px, w.height_px) for w in windows], answer_px=height)
    canvas = Image.new("RGB", layout.size, PAPER)
    _draw_header(canvas, event)
    draw_image(canvas, pixels, event, layout.image, boxes)
    for number, (tile, window) in enumerate(zip(layout.tiles, windows, strict=True), start=1):
        draw_tile(canvas, pixels, tile, number, window)
    if layout.note:
        _draw_note(canvas, layout.note, NO_CROPS_SEEN if event.check is None else NOT_GROUNDED)
    _draw_answer(canvas, layout.scan, "Global scan", event.scan, explanations[0])
    _draw_answer(canvas, layout.check, "Local check", event.check, explanations[1])
    _draw_arrow(canvas, layout, event)
    _draw_footer(canvas, layout.footer, event)
    return canvas


def format_image_name(event: VerdictEvent) -> str:
    """Return the s3 URL of the image, or the path of a local file, with unprintable letters percent-encoded."""
    image = event.image
    name = f"s3://{image.bucket}/{image.key}" if image.bucket else image.key
    return quote(name, safe=URL_SAFE, errors="replace")


def _wrap_explanation(answer: ScanEvidence | CheckEvidence | None) -> list[str]:
    if answer is None:
        text = NOT_CHECKED
    else:
        text = make_printable(answer.explanation) or "(no explanation)"
        text += "... (cut at the token limit)" if answer.truncated else ""
    return wrap_text(text, TEXT_PX, (CONTENT_PX - ARROW_PX) // 2 - 2 * PADDING_PX, max_lines=MAX_LINES)


def _draw_header(canvas: Image.Image, event: VerdictEvent) -> None:
    right, color = MARGIN_PX + CONTENT_PX, VERDICT_COLOR[event.verdict]
    word = event.verdict.upper()
    width = measure_text(word, 30, bold=True) + 44
    draw_rounded(canvas, (right - width, 26, right, 78), color, radius=26)
    write_text(canvas, (right - width / 2, 52), word, 30, fill=PAPER, bold=True, anchor="mm")
    confidence, outcome = _describe_confidence(event), describe_outcome(event)
    write_text(canvas, (right - width - 18, 50), confidence, 19, fill=INK, bold=True, anchor="rs")
    write_text(canvas, (right - width - 18, 72), outcome, 15, fill=MUTED, anchor="rs")
    status_width = max(measure_text(confidence, 19, bold=True), measure_text(outcome, 15))
    room = CONTENT_PX - width - 18 - status_width - GAP_PX
    name = format_image_name(event)
    write_text(
        canvas, (MARGIN_PX, 50), shorten(name.rsplit("/", 1)[-1], 24, room), 24, fill=INK, bold=True, anchor="ls"
    )
    write_text(canvas, (MARGIN_PX, 74), shorten(_describe_image(event, name), 15, room), 15, fill=MUTED, anchor="ls")


def _describe_confidence(event: VerdictEvent) -> str:
    return f"{event.confidence:.0%} confident" if event.confidence < 0.995 else "over 99% confident"


def describe_outcome(event: VerdictEvent) -> str:
    remarks = {
        f"corrected by {'zooming in' if event.status is Status.COMPLETE else 'Query 2'}": event.corrected,
        "overruled by its probability": event.overruled,
        "uncertain": event.uncertain,
        event.status: event.status is not Status.COMPLETE,
    }
    return ", ".join(remark for remark, applies in remarks.items() if applies) or "both queries agree"


def _describe_image(event: VerdictEvent, name: str) -> str:
    image = event.image
    description = (f"{image.width_px} x {image.height_px} px", make_printable(image.format), *image.remarks)
    return f"{', '.join(description)}  ·  {name}"


def _draw_note(canvas: Image.Image, rect: Rect, text: str) -> None:
    draw_rounded(canvas, rect, PANEL, radius=14)
    lines = wrap_text(text, TEXT_PX, rect[2] - rect[0] - 2 * PADDING_PX, max_lines=3)
    middle = (rect[1] + rect[3]) / 2 - LINE_PX * (len(lines) - 1) / 2
    for row, line in enumerate(lines):
        write_text(canvas, ((rect[0] + rect[2]) / 2, middle + row * LINE_PX), line, TEXT_PX, fill=MUTED, anchor="mm")


def _draw_answer(
    canvas: Image.Image, rect: Rect, title: str, answer: ScanEvidence | CheckEvidence | None, lines: list[str]
) -> None:
    draw_rounded(canvas, rect, PANEL, radius=14)
    left, top, right = rect[0] + PADDING_PX, rect[1] + PADDING_PX, rect[2] - PADDING_PX
    write_text(canvas, (left, top + 18), title, 19, fill=INK, bold=True, anchor="ls")
    if answer is None:
        write_text(canvas, (right, top + 18), "no answer", 19, fill=MUTED, bold=True, anchor="rs")
    else:
        color = VERDICT_COLOR[answer.verdict]
        write_text(canvas, (right, top + 18), str(answer.verdict), 19, fill=color, bold=True, anchor="rs")
        _draw_scale(canvas, (left, top + 36, right, top + 46), answer.p_generated)
    for row, line in enumerate(lines):
        write_text(canvas, (left, rect[1] + ANSWER_HEAD_PX + row * LINE_PX), line, TEXT_PX, fill=INK)


def _draw_scale(canvas: Image.Image, rail: Rect, p_generated: float) -> None:
    """Draw P(generated) as a knob between real (left) and generated (right), with a bar from the middle to it."""
    left, top, right, bottom = rail
    middle, at = (left + right) // 2, round(left + (right - left) * p_generated)
    side = Verdict.GENERATED if p_generated >= 0.5 else Verdict.REAL
    draw_rounded(canvas, (left, top, right, bottom), VERDICT_TINT[Verdict.REAL], radius=5)
    draw_rounded(canvas, (middle - 5, top, right, bottom), VERDICT_TINT[Verdict.GENERATED], radius=5)
    if abs(at - middle) > 10:
        draw_rounded(canvas, (min(at, middle), top, max(at, middle), bottom), VERDICT_COLOR[side], radius=5)
    draw_rounded(canvas, (middle - 1, top - 3, middle + 1, bottom + 3), MUTED, radius=1)
    knob = min(max(at, left + 9), right - 9)
    draw_rounded(canvas, (knob - 11, top - 6, knob + 11, bottom + 6), PANEL, radius=11)
    draw_rounded(canvas, (knob - 8, top - 3, knob + 8, bottom + 3), VERDICT_COLOR[side], radius=8)
    write_text(canvas, (left, bottom + 20), "real", 14, fill=MUTED, anchor="ls")
    write_text(canvas, (right, bottom + 20), "generated", 14, fill=MUTED, anchor="rs")
    write_text(canvas, (middle, bottom + 20), f"P(generated) {p_generated:.2f}", 14, fill=INK, anchor="ms")


def _draw_arrow(canvas: Image.Image, layout: PanelLayout, event: VerdictEvent) -> None:
    """Draw an arrow between the answers if Query 2 corrected Query 1, a thin line if it agreed."""
    left, right = layout.scan[2] + 10, layout.check[0] - 10
    y = layout.scan[1] + ANSWER_HEAD_PX - 40
    if not event.corrected:
        draw_rounded(canvas, (left + 10, y - 1, right - 10, y + 1), LINE, radius=1)
        return
    color = VERDICT_COLOR[event.last_answer.verdict]
    draw_rounded(canvas, (left, y - 4, right - 16, y + 4), color, radius=4)
    draw_polygon(canvas, [(right - 24, y - 17), (right, y), (right - 24, y + 17)], color)
    write_text(canvas, ((left + right) / 2, y - 28), "corrected", 13, fill=color, bold=True, anchor="ms")


def _draw_footer(canvas: Image.Image, rect: Rect, event: VerdictEvent) -> None:
    model = event.model
    origin = f"{model.name}  ·  {model.revision[:19]}  ·  prompt {model.prompt_version}  ·  {model.engine}"
    timing_s = event.timing_s
    latency = f"  ·  {timing_s['total'] - timing_s.get('queued', 0):.2f} s" if "total" in timing_s else ""
    occasion = f"event {event.event_id}  ·  {event.decided_at:%Y-%m-%d %H:%M:%S %Z}{latency}"
    y, room = rect[1] + 28, (rect[2] - rect[0]) // 2 - GAP_PX
    left, right = (shorten(_make_footer_printable(text), 12, room) for text in (origin, occasion))
    write_text(canvas, (rect[0], y), left, 12, fill=MUTED, anchor="ls")
    write_text(canvas, (rect[2], y), right, 12, fill=MUTED, anchor="rs")


def _make_footer_printable(text: str) -> str:
    return "  ·  ".join(map(make_printable, text.split("·")))
