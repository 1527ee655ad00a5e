"""The rows of the paper's table 1: which are other questions to one checkpoint, and which are other trainings.

Questions are asked live, by other `choose` functions; what trainings came to is read from `variants.json`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipeline import geometry
from pipeline.checkpoint import CheckpointCard
from training.common.resampling import Metric
from training.evaluation import boxes, metrics, summary
from training.evaluation.evaluate import Pass
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.sft.profiles import Variant

TITLES: Mapping[str, str] = {
    "base": "Base (one turn, untrained)",
    "sft": "SFT alone",
    "one_turn_e": "E (one turn, explanation)",
    "one_turn_eg": "E+G (one turn, explanation and boxes)",
    "verdict_only": "Verdict Only (one turn)",
    "no_bleu": "No BLEU Reward",
    "dual_verdict": "Dual Verdict Reward",
    "two_turn": "ZoomIn (two turns)",
    "random_crops": "Random Cropping",
    "largest_4": "Largest 4 Boxes",
    "largest_3": "Largest 3 Boxes",
}
COLUMNS = ("acc", "i_acc", "c_acc", "c_cases", "bleu1", "bleu2", "rouge_l", "iou")
UNPARSED, IDENTITY_GAP = "unparsed", "identity_gap"
OWN, RANDOM = "two_turn", "random_crops"


QUESTIONS: Mapping[str, Callable[[Sample], geometry.Choose]] = {
    OWN: lambda _sample: geometry.zoomable,
    RANDOM: boxes.anywhere,
    "largest_4": lambda _sample: boxes.largest(4),
    "largest_3": lambda _sample: boxes.largest(3),
}
TRAINED = (*(name for name in TITLES if name not in QUESTIONS), OWN)
"""rows that are trainings; the own row is one too, with the budget of the others, for them to be held against"""
PASSES: Mapping[str, Pass] = {name: Pass(choose) for name, choose in QUESTIONS.items()}


def enlarged(name: str, samples: Sequence[Sample], judged: Sequence[Prediction], max_crops: int) -> list[Prediction]:
    """With the boxes that Query 2 saw under this row in place of those that the model named."""
    choose = QUESTIONS[name]
    return [
        replace(one, regions=tuple(choose(sample)(one.regions, sample.image.size_px, max_crops)))
        for sample, one in zip(samples, judged, strict=True)
    ]


def of_question(
    name: str, samples: Sequence[Sample], judged: Sequence[Prediction], card: CheckpointCard
) -> dict[str, Metric]:
    """A live row's figures; IoU is that of the boxes which Query 2 saw enlarged."""
    shown = of_two_turns(judged)
    if name != OWN:
        seen = enlarged(name, samples, judged, card.max_crops)
        shown["iou"] = metrics.overlap(metrics.iou_of_regions, seen)
    return shown


def of_training(variant: Variant, judged: Sequence[Prediction]) -> dict[str, Metric]:
    """One turn has one verdict, and nothing that compares two; without boxes it has no IoU."""
    shown = of_two_turns(judged)
    if variant == "two_turn":
        return shown
    kept = ("acc", "bleu1", "bleu2", "rouge_l", UNPARSED, *(("iou",) if variant == "one_turn_eg" else ()))
    return {name: shown[name] for name in kept}


def of_two_turns(judged: Sequence[Prediction]) -> dict[str, Metric]:
    shown = metrics.figures(judged)
    shown |= {text: summary.text(reading, judged) for text, reading in summary.TEXT_READINGS.items()}
    return {name: shown[name] for name in (*COLUMNS, UNPARSED, IDENTITY_GAP)}
