"""Choose the images that a worker asks a new revision about before it serves. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.registry.push import SmokeImage
from pipeline.verdict import Verdict
from training.dataset.labeled_image import LabeledImage
from training.evaluation.metrics import Prediction


def choose_smoke_images(
    entries: Sequence[LabeledImage], ours: Sequence[Prediction], theirs: Sequence[Prediction], count: int
) -> list[LabeledImage]:
    """Choose images that the challenger and its start are right about, after either query; as many of each class.

    Their verdicts lie far from the threshold, so the rounding of another engine does not turn them. The most certain
    come first where the engine gave probabilities.
    """
    clear: dict[Verdict, list[tuple[float, int]]] = {label: [] for label in Verdict}
    for number, pair in enumerate(zip(ours, theirs, strict=True)):
        label = pair[0].label
        if all(verdict is label for each in pair for verdict in (each.scan_verdict, each.check_verdict)):
            clear[label].append((-_measure_certainty(pair[0]), number))
    each = count // len(clear)
    return [entries[number] for number in sorted(n for ranked in clear.values() for _, n in sorted(ranked)[:each])]


def read_smoke_images(questions: Iterable[Mapping[str, str]]) -> list[SmokeImage]:
    """Return the questions of a step's result for a push."""
    return [SmokeImage(Path(question["image"]), Verdict(question["verdict"])) for question in questions]


def _measure_certainty(prediction: Prediction) -> float:
    return abs(prediction.p_generated - 0.5) if prediction.p_generated is not None else 0.0
