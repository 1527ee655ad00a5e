"""Word the questions about an image with a known label, and parse the answers: explanation, boxes, yes or no.

Source: paper section 3.2 and appendix A.2; the wording is ours (the paper gives none).
"""

import json
import re
import unicodedata
from dataclasses import dataclass

from PIL import Image, ImageDraw

from pipeline import geometry
from pipeline.checkpoint import BoxFrame
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import BoundingBox, Verdict
from training.annotation.endpoint import Question

EXPLAIN = {
    Verdict.GENERATED: (
        "This image was made by a generative model. Name the visual evidence that gives it away: objects and their "
        "details, arrangement, perspective, lighting, shadows, textures, hands and faces, lettering. "
    ),
    Verdict.REAL: (
        "This image is a real photograph. Name the visual evidence that shows it: objects and their details, "
        "arrangement, perspective, lighting, shadows, textures, hands and faces, lettering, above all what generative "
        "models fail at. "
    ),
}
EXPLAIN_FORM = (
    "Say where in the image each piece of evidence is. Answer in at most 120 words of plain English prose, without "
    "lists and without coordinates."
)
GROUND = (
    "An expert explained why this image is {label}:\n{explanation}\nFind each region that the explanation speaks of, "
    "as small as it can be; leave out what concerns the whole image. Answer with a JSON list and nothing else: "
    '[{{"bbox_2d": [x1, y1, x2, y2], "label": "what is to be seen there"}}], in {unit}; [] if there is none.'
)
UNITS: dict[BoxFrame, str] = {"pixels": "pixels of this image of {} x {}", "thousand": "thousandths of its sides"}
PURIFY = (
    "The red frame [{},{},{},{}] marks a region of this image of {} x {} pixels. Does it enclose the whole primary "
    "object of the image, rather than a part or a detail of it? Answer yes or no."
)
EXPLANATION_TOKENS, BOXES_TOKENS, YES_NO_TOKENS = 400, 800, 16
FEWEST_WORDS = 5
PRINTED_SHARE = 0.8
FRAME_COLOR = (255, 0, 0)

_TAG = re.compile(r"</?[a-z_]{1,20}>|\[[\d\s,.]*\]", re.IGNORECASE)
_MARKUP = re.compile(r"[*#`]+")
_DECLINED = re.compile(
    r"\W*(i'?m sorry|i am sorry|i can'?t|i cannot|i'?m unable|i am unable|as an ai)\b", re.IGNORECASE
)
_NUMBER = r"\s*(-?\d{1,6}(?:\.\d{1,9})?)\s*"
_BOX = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]", re.ASCII)
_NONE = re.compile(r"\[\s*\]")
_YES_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_TYPOGRAPHIC = str.maketrans(dict(zip("\u2018\u2019\u201c\u201d\u2013\u2014\u2026", "''\"\"--.", strict=True)))


@dataclass(frozen=True, slots=True)
class GroundedBox:
    """A box as a model gave it, in the model's frame, with a description of its content."""

    corners: geometry.Corners
    description: str


def build_explanation_question(picture: Image.Image, label: Verdict) -> Question:
    return Question(EXPLAIN[label] + EXPLAIN_FORM, picture, EXPLANATION_TOKENS)


def build_grounding_question(picture: Image.Image, label: Verdict, explanation: str, frame: BoxFrame) -> Question:
    unit = UNITS[frame].format(*picture.size)
    return Question(GROUND.format(label=label, explanation=explanation, unit=unit), picture, BOXES_TOKENS)


def build_purification_question(picture: Image.Image, box: BoundingBox) -> Question:
    """Ask whether `box`, in pixels of the picture, encloses the whole object instead of a detail."""
    marked = picture.copy()
    ImageDraw.Draw(marked).rectangle((box.x1, box.y1, box.x2 - 1, box.y2 - 1), outline=FRAME_COLOR, width=3)
    return Question(PURIFY.format(*box.corners, *picture.size), marked, YES_NO_TOKENS)


def parse_explanation(text: str) -> str:
    """Return the answer's prose, reduced.

    Raises: AnswerUnreadable for an answer without prose, or one that declines to answer.
    """
    if _DECLINED.match(text.translate(_TYPOGRAPHIC)):
        raise AnswerUnreadable(f"the model declines: {text[:60]!r}")
    prose = reduce_prose(text)
    letters = [letter for letter in _fold(text) if not unicodedata.combining(letter)]
    if len(re.findall(r"[A-Za-z]{2,}", prose)) < FEWEST_WORDS or len(prose) < PRINTED_SHARE * len(letters):
        raise AnswerUnreadable(f"the explanation has no prose: {text[:60]!r}")
    return prose


def reduce_prose(text: str) -> str:
    """Reduce to one line in the letters that the grammar of answers allows; drop tags, boxes, markup and accents."""
    return " ".join("".join(letter for letter in _fold(text) if " " <= letter <= "~").split())


def _fold(text: str) -> str:
    prose = _MARKUP.sub(" ", _TAG.sub(" ", text)).translate(_TYPOGRAPHIC).replace("<", "(").replace(">", ")")
    return " ".join(unicodedata.normalize("NFKD", prose).split())


def parse_boxes(text: str) -> list[GroundedBox]:
    """Return the boxes of a JSON list, or else all groups of four numbers in brackets; an empty list is an answer.

    Raises: AnswerUnreadable.
    """
    listed = _parse_list(text)
    if listed is None:
        listed = [GroundedBox(_convert_corners(match.groups()), "") for match in _BOX.finditer(text)]
    if not listed and not _NONE.search(text):
        raise AnswerUnreadable(f"the answer has no boxes: {text[:60]!r}")
    return listed


def parse_yes_no(text: str) -> bool:
    """Return whether the answer begins with yes. Raises: AnswerUnreadable."""
    match = _YES_NO.match(text)
    if match is None:
        raise AnswerUnreadable(f"neither yes nor no: {text[:60]!r}")
    return match[1].lower() == "yes"


def _parse_list(text: str) -> list[GroundedBox] | None:
    """Return the boxes of the answer's JSON list, or None if it holds none."""
    try:
        found = json.loads(text[text.index("[") : text.rindex("]") + 1])
        return [GroundedBox(_convert_corners(box["bbox_2d"]), str(box.get("label") or "").strip()) for box in found]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _convert_corners(numbers: object) -> geometry.Corners:
    """Convert four numbers to corners. Raises: ValueError, TypeError for anything but four finite numbers."""
    x1, y1, x2, y2 = (float(number) for number in numbers)  # type: ignore[attr-defined]
    if not all(abs(number) < 1e6 for number in (x1, y1, x2, y2)):
        raise ValueError("a number beyond all bounds")
    return x1, y1, x2, y2
