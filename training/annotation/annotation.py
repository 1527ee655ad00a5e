"""What is asked about an image with a known label, and how the answers are read: explanation, boxes, yes or no.

Source: paper section 3.2 and appendix A.2; the wording is ours (the text of the paper gives none).
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
class Grounded:
    """A box as a model named it, in the model's frame, with what it is to show."""

    corners: geometry.Corners
    shown: str


def explain(picture: Image.Image, label: Verdict) -> Question:
    return Question(EXPLAIN[label] + EXPLAIN_FORM, picture, EXPLANATION_TOKENS)


def ground(picture: Image.Image, label: Verdict, explanation: str, frame: BoxFrame) -> Question:
    unit = UNITS[frame].format(*picture.size)
    return Question(GROUND.format(label=label, explanation=explanation, unit=unit), picture, BOXES_TOKENS)


def purify(picture: Image.Image, box: BoundingBox) -> Question:
    """Whether `box`, in pixels of the picture, regressed to detecting the object."""
    marked = picture.copy()
    ImageDraw.Draw(marked).rectangle((box.x1, box.y1, box.x2 - 1, box.y2 - 1), outline=FRAME_COLOR, width=3)
    return Question(PURIFY.format(*box.corners, *picture.size), marked, YES_NO_TOKENS)


def read_explanation(text: str) -> str:
    """The answer's prose, `plain`.

    Raises: AnswerUnreadable for an answer without prose, or one that declines to answer.
    """
    if _DECLINED.match(text.translate(_TYPOGRAPHIC)):
        raise AnswerUnreadable(f"the model declines: {text[:60]!r}")
    prose = plain(text)
    letters = [letter for letter in _folded(text) if not unicodedata.combining(letter)]
    if len(re.findall(r"[A-Za-z]{2,}", prose)) < FEWEST_WORDS or len(prose) < PRINTED_SHARE * len(letters):
        raise AnswerUnreadable(f"the explanation has no prose: {text[:60]!r}")
    return prose


def plain(text: str) -> str:
    """One line in the letters that the answers' grammar allows; tags, boxes, markup and accents fall out."""
    return " ".join("".join(letter for letter in _folded(text) if " " <= letter <= "~").split())


def _folded(text: str) -> str:
    prose = _MARKUP.sub(" ", _TAG.sub(" ", text)).translate(_TYPOGRAPHIC).replace("<", "(").replace(">", ")")
    return " ".join(unicodedata.normalize("NFKD", prose).split())


def read_boxes(text: str) -> list[Grounded]:
    """The boxes of a JSON list, or else whatever stands in brackets as four numbers; an empty list is an answer.

    Raises: AnswerUnreadable.
    """
    listed = _listed(text)
    if listed is None:
        listed = [Grounded(_corners(match.groups()), "") for match in _BOX.finditer(text)]
    if not listed and not _NONE.search(text):
        raise AnswerUnreadable(f"the answer has no boxes: {text[:60]!r}")
    return listed


def read_yes_no(text: str) -> bool:
    """Raises: AnswerUnreadable."""
    match = _YES_NO.match(text)
    if match is None:
        raise AnswerUnreadable(f"neither yes nor no: {text[:60]!r}")
    return match[1].lower() == "yes"


def _listed(text: str) -> list[Grounded] | None:
    """None where the answer holds no JSON list of boxes."""
    try:
        found = json.loads(text[text.index("[") : text.rindex("]") + 1])
        return [Grounded(_corners(one["bbox_2d"]), str(one.get("label") or "").strip()) for one in found]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _corners(numbers: object) -> geometry.Corners:
    """Raises: ValueError, TypeError for anything but four finite numbers."""
    x1, y1, x2, y2 = (float(number) for number in numbers)  # type: ignore[attr-defined]
    if not all(abs(number) < 1e6 for number in (x1, y1, x2, y2)):
        raise ValueError("a number out of all bounds")
    return x1, y1, x2, y2
