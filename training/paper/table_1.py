"""The rows of the paper's table 1: live rows ask one checkpoint with other crops, ablations are trained otherwise.

Live rows differ in their `choose` function; the results of ablations are read from `variants.json`.
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
ALL_COLUMNS = (*COLUMNS, UNPARSED, IDENTITY_GAP)
OWN, RANDOM = "two_turn", "random_crops"


LIVE_ROWS: Mapping[str, Callable[[Sample], geometry.RegionChooser]] = {
    OWN: lambda _sample: geometry.choose_zoomable,
    RANDOM: boxes.choose_anywhere,
    "largest_4": lambda _sample: boxes.choose_largest(4),
    "largest_3": lambda _sample: boxes.choose_largest(3),
}
ABLATION_ROWS = (*(name for name in TITLES if name not in LIVE_ROWS), OWN)
"""rows that are trained; the own row is trained too, with the budget of the others, so that they can be compared"""
PASSES: Mapping[str, Pass] = {name: Pass(choose) for name, choose in LIVE_ROWS.items()}


def replace_regions(
    name: str, samples: Sequence[Sample], predictions: Sequence[Prediction], max_crops: int
) -> list[Prediction]:
    """Return the predictions with the boxes that Query 2 saw in this row in place of the boxes that the model named."""
    choose = LIVE_ROWS[name]
    return [
        replace(prediction, regions=tuple(choose(sample)(prediction.regions, sample.image.size_px, max_crops)))
        for sample, prediction in zip(samples, predictions, strict=True)
    ]


def measure_live_row(
    name: str, samples: Sequence[Sample], predictions: Sequence[Prediction], card: CheckpointCard
) -> dict[str, Metric]:
    """Return the metrics of a live row; IoU is that of the boxes which Query 2 saw."""
    row = measure_two_turns(predictions)
    if name != OWN:
        replaced = replace_regions(name, samples, predictions, card.max_crops)
        row["iou"] = metrics.measure_overlap(metrics.iou_of_regions, replaced)
    return row


def measure_ablation(variant: Variant, predictions: Sequence[Prediction]) -> dict[str, Metric]:
    """Return the metrics of an ablation: one turn has one verdict to measure, and IoU only where it names boxes."""
    row = measure_two_turns(predictions)
    if variant == "two_turn":
        return row
    columns = ("acc", "bleu1", "bleu2", "rouge_l", UNPARSED, *(("iou",) if variant == "one_turn_eg" else ()))
    return {column: row[column] for column in columns}


def measure_two_turns(predictions: Sequence[Prediction]) -> dict[str, Metric]:
    row = metrics.compute_metrics(predictions)
    row |= {name: summary.measure_text(compute, predictions) for name, compute in summary.TEXT_METRICS.items()}
    return {column: row[column] for column in ALL_COLUMNS}
