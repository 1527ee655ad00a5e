"""The model's evidence as the HTML that annotators see beside the image: enlarged crops, verdicts, explanations.

Crops are cut by CSS out of the image that is shown anyway, so there is no further object to store or to delete. All
text of the model is escaped; its URLs too, as Label Studio replaces each s3:// address in what it shows.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from pipeline.geometry import Size, find_crop_window
from pipeline.verdict import BoundingBox, Verdict
from pipeline.wire.messages import CheckEvidence, ScanEvidence, VerdictEvent

SHOWN_SIDE_PX = 220
"""of the longer side of a crop on the page"""
COLORS = {Verdict.GENERATED: "#C84600", Verdict.REAL: "#007868"}


@dataclass(frozen=True, slots=True)
class ShownCrop:
    """A window with the whole image behind it, moved and scaled so that the crop fills the window; pixels of the page.

    `number` is that of the region in Label Studio's list.
    """

    number: int
    width_px: int
    height_px: int
    shown_width: float
    shown_height: float
    image_width: float
    image_height: float
    left: float
    top: float
    enlarged: bool


@dataclass(frozen=True, slots=True)
class Answer:
    title: str
    said: ScanEvidence | CheckEvidence | None


def build_evidence(event: VerdictEvent, url: str) -> str:
    """Build the HTML; `url` is where the image is."""
    size = event.image.width_px, event.image.height_px
    crops = [
        _place_crop(number, BoundingBox(*region.box), size)
        for number, region in enumerate(event.scan.regions, start=1)
        if region.zoomed
    ]
    answers = [Answer("Global scan", event.scan), Answer("Local check", event.check)]
    return _load_template().render(crops=crops, answers=answers, url=url, colors=COLORS)


def _place_crop(number: int, box: BoundingBox, size: Size) -> ShownCrop:
    window = find_crop_window(box, size)
    scale = SHOWN_SIDE_PX / max(window.width_px, window.height_px)
    return ShownCrop(
        number=number,
        width_px=window.width_px,
        height_px=window.height_px,
        shown_width=round(window.width_px * scale, 2),
        shown_height=round(window.height_px * scale, 2),
        image_width=round(size[0] * scale, 2),
        image_height=round(size[1] * scale, 2),
        left=round(-window.x1 * scale, 2),
        top=round(-window.y1 * scale, 2),
        enlarged=scale > 1,
    )


def _escape_text(text: str) -> Markup:
    return Markup(str(escape(text)).replace("://", ":&#47;&#47;"))  # noqa: S704 - escaped in the same line


@cache
def _load_template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["as_text"] = _escape_text
    return environment.from_string(files("training.label_studio").joinpath("evidence.html").read_text())
