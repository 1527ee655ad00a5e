"""Example images for reports: evidence cards by outcome, and images with their annotated boxes.

For two checkpoints: both cards of images that one of them alone gets right.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from PIL import Image

from pipeline import geometry, images, prompts
from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.engine import VisionEngine
from pipeline.errors import TransientError
from pipeline.evidence.card import draw_evidence_card
from pipeline.evidence.drawing import INK, draw_outline
from pipeline.evidence.regions import REGION
from pipeline.local_image import LocalImage
from pipeline.verdict import BoundingBox, Inspection, Verdict
from pipeline.wire import messages
from pipeline.wire.messages import JudgedImage, ModelRef, RecordRef
from pipeline.zoomin import inspect
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample

CARDS = 2
PAIRS = 3
TILES = 3
TILE_PX = 256
KINDS: Mapping[str, str] = {
    "right": "Right from the first look on",
    "corrected": "Corrected: zooming in turned a wrong verdict right",
    "wrong": "Wrong, before and after",
    "broken": "Broken: zooming in turned a right verdict wrong",
}
DIFFERENCES: Mapping[str, str] = {"only_a": "Only A is right", "only_b": "Only B is right"}


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """The evidence card of one image, with its truth."""

    kind: str
    number: int
    truth: Verdict
    card: Image.Image


@dataclass(frozen=True, slots=True, eq=False)
class CardPair:
    """The evidence cards of one image by two checkpoints of which one is right, with its truth."""

    kind: str
    number: int
    truth: Verdict
    a: Image.Image
    b: Image.Image


@dataclass(frozen=True, slots=True, eq=False)
class ComparedModel:
    """One of two checkpoints with its engine and its predictions for all images."""

    checkpoint: Checkpoint
    engine: VisionEngine
    version: str
    predictions: Sequence[Prediction]


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """An image of the set with its annotated boxes and its reference explanation."""

    picture: Image.Image
    label: Verdict
    caption: str


def classify_example(truth: Verdict, v1: Verdict | None, v2: Verdict | None) -> str | None:
    """Return the gallery of an image; None when an answer could not be read."""
    if v1 is None or v2 is None:
        return None
    if v1 is v2:
        return "right" if v2 is truth else "wrong"
    return "corrected" if v2 is truth else "broken"


def classify_difference(a: Prediction, b: Prediction) -> str | None:
    """Return the gallery of an image that one of two checkpoints alone gets right; None for any other image."""
    if not (a.parsed and b.parsed) or a.check_verdict is b.check_verdict:
        return None
    return "only_a" if a.check_verdict is a.label else "only_b"


def pick_examples(predictions: Sequence[Prediction], each: int) -> dict[str, list[int]]:
    """Pick at most `each` images for each gallery, by number, alternating between the classes while both last."""
    return _pick_by_kind(
        [classify_example(p.label, p.scan_verdict, p.check_verdict) for p in predictions], predictions, KINDS, each
    )


def pick_differing(a: Sequence[Prediction], b: Sequence[Prediction], each: int) -> dict[str, list[int]]:
    """Pick images in the same way that one of two checkpoints alone gets right."""
    return _pick_by_kind([classify_difference(*pair) for pair in zip(a, b, strict=True)], a, DIFFERENCES, each)


def _pick_by_kind(
    kinds: Sequence[str | None], predictions: Sequence[Prediction], names: Iterable[str], each: int
) -> dict[str, list[int]]:
    found: dict[str, dict[Verdict, list[int]]] = {name: {label: [] for label in Verdict} for name in names}
    for number, (name, prediction) in enumerate(zip(kinds, predictions, strict=True)):
        if name is not None:
            found[name][prediction.label].append(number)
    return {name: _interleave(*by_label.values())[:each] for name, by_label in found.items()}


def _interleave(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Alternate between two lists; when one ends, the rest of the other follows."""
    return [number for pair in zip_longest(first, second) for number in pair if number is not None]


async def draw_examples(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    checkpoint: Checkpoint,
    engine: VisionEngine,
    *,
    version: str,
) -> list[Example]:
    """Ask once more for the images of the galleries, and draw their cards; an answer that differs now is left out.

    Raises: EngineDead.
    """
    drawn = []
    for name, numbers in pick_examples(predictions, CARDS).items():
        for number in numbers:
            sample = samples[number]
            try:
                inspection = await inspect(LocalImage(sample.image), engine)
            except TransientError:
                continue
            verdicts = inspection.scan.verdict, inspection.last_answer.verdict
            if inspection.check and classify_example(sample.label, *verdicts) == name:
                card = draw_sample_card(sample, inspection, checkpoint, version)
                drawn.append(Example(name, number, sample.label, card))
    return drawn


async def draw_pairs(samples: Sequence[Sample], a: ComparedModel, b: ComparedModel) -> list[CardPair]:
    """Ask both engines once more for images on which A and B differ, and draw both cards. Raises: EngineDead."""
    drawn = []
    for name, numbers in pick_differing(a.predictions, b.predictions, PAIRS).items():
        for number in numbers:
            sample = samples[number]
            try:
                first, second = [await inspect(LocalImage(sample.image), model.engine) for model in (a, b)]
            except TransientError:
                continue
            verdicts = a.predictions[number].check_verdict, b.predictions[number].check_verdict
            if (first.last_answer.verdict, second.last_answer.verdict) == verdicts:
                cards = [draw_sample_card(sample, i, m.checkpoint, m.version) for i, m in ((first, a), (second, b))]
                drawn.append(CardPair(name, number, sample.label, *cards))
    return drawn


def draw_sample_card(sample: Sample, inspection: Inspection, checkpoint: Checkpoint, version: str) -> Image.Image:
    """Draw the evidence card as the worker would."""
    pixels = sample.image.pixels
    event = messages.build_verdict_event(
        inspection,
        checkpoint,
        model=ModelRef(
            name=checkpoint.name,
            revision=checkpoint.revision,
            prompt_version=PROMPT_VERSION,
            prompt_sha256=prompts.compute_fingerprint(checkpoint.card.box_frame),
            engine=version,
        ),
        event_id=f"image {sample.number}",
        record=RecordRef(topic="", partition=0, offset=sample.number, timestamp_ms=0),
        image=JudgedImage(
            bucket="",
            key=f"image-{sample.number}-{sample.label}",
            etag=None,
            version_id=None,
            sha256=images.digest_pixels(pixels),
            width_px=pixels.width,
            height_px=pixels.height,
            format=sample.image.format,
            frames=sample.image.frames,
            bytes=0,
            repaired=sample.image.repaired,
            frame=sample.image.frame,
        ),
        source=sample.source,
        attributes={},
        timing_s={},
        worker="",
    )
    return draw_evidence_card(pixels, event)


def draw_tiles(samples: Sequence[Sample], predictions: Sequence[Prediction]) -> list[Tile]:
    """Draw images of the set, generated ones first, with their boxes and reference explanations: figure 8.

    The truths in `predictions` tell which samples to load.
    """
    chosen: list[int] = []
    for label in (Verdict.GENERATED, Verdict.REAL):
        own = [number for number, prediction in enumerate(predictions) if prediction.label is label]
        chosen += sorted(own, key=lambda number: not predictions[number].annotated)[:TILES]
    return [_draw_tile(samples[number]) for number in chosen]


def _draw_tile(sample: Sample) -> Tile:
    return Tile(_draw_annotated(sample), sample.label, sample.reference or "")


def _draw_annotated(sample: Sample) -> Image.Image:
    size = geometry.fit(sample.image.size_px, TILE_PX * TILE_PX, enlarge=True)
    picture = sample.image.pixels.resize(size, Image.Resampling.BICUBIC)
    outline_boxes(picture, sample.annotated, sample.image.size_px)
    return picture


def outline_boxes(picture: Image.Image, boxes: Iterable[BoundingBox], image_size: geometry.Size) -> None:
    """Outline the boxes of an image of `image_size` on a picture of it that has another size."""
    for box in boxes:
        corners = geometry.rescale(box.corners, from_size=image_size, to_size=picture.size)
        placed = geometry.clip(corners, picture.size)
        if placed is not None:
            draw_outline(picture, placed.corners, REGION, halo=INK, width=2)
