"""Images to look at: evidence cards of right, wrong, corrected and broken verdicts, and images with their boxes.

Of two checkpoints: both cards of images on which one alone is right.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from pipeline import geometry, images, prompts
from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.engine import VisionEngine
from pipeline.errors import TransientError
from pipeline.evidence import card as evidence_card
from pipeline.evidence.drawing import outline
from pipeline.verdict import Inspection, Verdict
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
    """One image's evidence card with its truth."""

    kind: str
    number: int
    truth: Verdict
    card: Image.Image


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One image's evidence cards by two checkpoints of which one is right, with its truth."""

    kind: str
    number: int
    truth: Verdict
    a: Image.Image
    b: Image.Image


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of two checkpoints: who answers, and what it said of all images."""

    checkpoint: Checkpoint
    engine: VisionEngine
    version: str
    said: Sequence[Prediction]


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """An image of the set with its annotated boxes and what is said of it."""

    picture: Image.Image
    label: Verdict
    caption: str


def kind(truth: Verdict, v1: Verdict | None, v2: Verdict | None) -> str | None:
    """Which gallery an image belongs to; None where an answer could not be read."""
    if v1 is None or v2 is None:
        return None
    if v1 is v2:
        return "right" if v2 is truth else "wrong"
    return "corrected" if v2 is truth else "broken"


def difference(a: Prediction, b: Prediction) -> str | None:
    """Which gallery of two checkpoints an image belongs to; None where neither alone is right, or one is unread."""
    if not (a.parsed and b.parsed) or a.check_verdict is b.check_verdict:
        return None
    return "only_a" if a.check_verdict is a.label else "only_b"


def pick(judged: Sequence[Prediction], each: int) -> dict[str, list[int]]:
    """At most `each` images for each gallery, by number, both classes in turn as far as they reach."""
    return _picked([kind(one.label, one.scan_verdict, one.check_verdict) for one in judged], judged, KINDS, each)


def pick_differing(a: Sequence[Prediction], b: Sequence[Prediction], each: int) -> dict[str, list[int]]:
    """The same of images on which one of two checkpoints alone is right."""
    return _picked([difference(*both) for both in zip(a, b, strict=True)], a, DIFFERENCES, each)


def _picked(
    kinds: Sequence[str | None], judged: Sequence[Prediction], names: Iterable[str], each: int
) -> dict[str, list[int]]:
    found: dict[str, dict[Verdict, list[int]]] = {name: {label: [] for label in Verdict} for name in names}
    for number, (name, one) in enumerate(zip(kinds, judged, strict=True)):
        if name is not None:
            found[name][one.label].append(number)
    return {name: _in_turn(*by_label.values())[:each] for name, by_label in found.items()}


def _in_turn(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """First of each, second of each, and so on; when one has no more, the rest of the other."""
    ranked = [*((place, 0, number) for place, number in enumerate(one))]
    ranked += [(place, 1, number) for place, number in enumerate(other)]
    return [number for _, _, number in sorted(ranked)]


async def cards(
    samples: Sequence[Sample],
    judged: Sequence[Prediction],
    checkpoint: Checkpoint,
    engine: VisionEngine,
    *,
    version: str,
) -> list[Example]:
    """The galleries' cards, asked for once more: an answer that comes out otherwise now is left out.

    Raises: EngineDead.
    """
    made = []
    for name, numbers in pick(judged, CARDS).items():
        for number in numbers:
            sample = samples[number]
            try:
                inspection = await inspect(sample.image, engine)
            except TransientError:
                continue
            if inspection.check and kind(sample.label, inspection.scan.verdict, inspection.verdict) == name:
                made.append(Example(name, number, sample.label, card(sample, inspection, checkpoint, version)))
    return made


async def pairs(samples: Sequence[Sample], a: Side, b: Side) -> list[Pair]:
    """Both cards of images on which A and B differ; the engines are asked once more, what they said or from memory.

    Raises: EngineDead.
    """
    made = []
    for name, numbers in pick_differing(a.said, b.said, PAIRS).items():
        for number in numbers:
            sample = samples[number]
            try:
                first, second = [await inspect(sample.image, side.engine) for side in (a, b)]
            except TransientError:
                continue
            if (first.verdict, second.verdict) == (a.said[number].check_verdict, b.said[number].check_verdict):
                cards = [card(sample, i, s.checkpoint, s.version) for i, s in ((first, a), (second, b))]
                made.append(Pair(name, number, sample.label, *cards))
    return made


def card(sample: Sample, inspection: Inspection, checkpoint: Checkpoint, version: str) -> Image.Image:
    """The evidence card that the worker would draw."""
    pixels = sample.image.pixels
    event = messages.judge(
        inspection,
        checkpoint,
        model=ModelRef(
            name=checkpoint.name,
            revision=checkpoint.revision,
            prompt_version=PROMPT_VERSION,
            prompt_sha256=prompts.fingerprint(checkpoint.card.box_frame),
            engine=version,
        ),
        event_id=f"image {sample.number}",
        record=RecordRef(topic="", partition=0, offset=sample.number, timestamp_ms=0),
        image=JudgedImage(
            bucket="",
            key=f"image-{sample.number}-{sample.label}",
            etag=None,
            version_id=None,
            sha256=images.digest(pixels),
            width_px=pixels.width,
            height_px=pixels.height,
            format=sample.image.format,
            frames=sample.image.frames,
            bytes=0,
        ),
        source=sample.source,
        attributes={},
        timing_s={},
        worker="",
    )
    return evidence_card.card(pixels, event)


def tiles(samples: Sequence[Sample]) -> list[Tile]:
    """Figure 8: images of the set, generated ones first, with their boxes and reference explanations."""
    chosen = []
    for label in (Verdict.GENERATED, Verdict.REAL):
        own = [sample for sample in samples if sample.label is label]
        chosen += sorted(own, key=lambda sample: not sample.annotated)[:TILES]
    return [Tile(_boxed(sample), sample.label, sample.reference or "") for sample in chosen]


def _boxed(sample: Sample) -> Image.Image:
    size = geometry.fit(sample.image.size_px, TILE_PX * TILE_PX, enlarge=True)
    picture = sample.image.pixels.resize(size, Image.Resampling.BICUBIC)
    for box in sample.annotated:
        placed = geometry.clip(geometry.rescale(box.corners, from_size=sample.image.size_px, to_size=size), size)
        if placed is not None:
            outline(picture, placed.corners, evidence_card.REGION, halo=evidence_card.INK, width=2)
    return picture
