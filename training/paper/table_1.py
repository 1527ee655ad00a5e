"""The rows of the paper's table 1: live rows ask one checkpoint with other crops, ablations are trained otherwise.

Live rows differ in their `choose` function; the results of ablations are read from `variants.json`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipeline import geometry
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


def measure_live_row(name: str, predictions: Sequence[Prediction]) -> dict[str, Metric]:
    """Return the metrics of a live row; but for the own row, IoU is that of the boxes which Query 2 saw."""
    row = measure_two_turns(predictions)
    if name != OWN:
        zoomed = [replace(prediction, regions=prediction.zoomed) for prediction in predictions]
        row["iou"] = metrics.measure_overlap(metrics.iou_of_regions, zoomed)
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
