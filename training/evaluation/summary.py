"""The summary of an evaluation: all metrics of its passes, by their names in the JSON line, and as a table of text."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from training.common import resampling
from training.common.resampling import Floats, Metric, Statistic
from training.evaluation import calibration_metrics, metrics, text_metrics
from training.evaluation.metrics import Prediction
from training.synthetic import scenes

Json = dict[str, Any]
"""a part of a report, as its JSON file has it"""
TextMetric = Callable[[str, str], float | None]
"""from an explanation and its reference to a score; None where the reference is empty"""

TEXT_METRICS: Mapping[str, TextMetric] = {
    "bleu1": partial(text_metrics.bleu, order=1),
    "bleu2": partial(text_metrics.bleu, order=2),
    "rouge_l": text_metrics.rouge_l,
}

PHOTOGRAPHS = "photographs"
INJECTED_TITLE = "Photographs with planted artifacts"
OTHER_SETS = {
    "jpeg_80": "JPEG 80",
    "jpeg_30": "JPEG 30",
    "crop": "crop to 0.8",
    "half_size": "half size",
    "unseen_artifacts": "unseen artifacts",
    "unseen_grounds": "unseen grounds",
    PHOTOGRAPHS: "photographs",
}

MEANINGS = {
    "i_acc": "I-Acc: verdict after Query 1",
    "acc": "Acc: verdict after Query 2",
    "acc_published": "Acc of the published verdicts",
    "overruled": "overruled by their probability",
    "zoom_gain": "Acc - I-Acc",
    "c_cases": "C-Cases: share that Query 2 changed",
    "c_acc": "C-Acc: Acc where it changed",
    "identity_gap": "Acc - I-Acc - C-Cases (2 C-Acc - 1)",
    "acc_random_boxes": "Acc with random boxes",
    "over_random_boxes": "Acc - Acc with random boxes",
    "acc_annotated_boxes": "Acc with annotated boxes",
    "iou": "IoU of the model's boxes (Eq. 2)",
    "iou_recall": "IoU of the annotated boxes",
    "iou_f1": "harmonic mean of the two",
    "tpr": "right among generated",
    "tnr": "right among real",
    "balanced_acc": "mean of the two",
    "boxes": "boxes an image",
    "unparsed": "answers that could not be read",
    "bleu1": "BLEU-1 of the explanation",
    "bleu2": "BLEU-2",
    "rouge_l": "ROUGE-L",
    "auroc": "AUROC of P(generated)",
    "tpr_at_1_fpr": "TPR at 1 % FPR",
    "effective_images": "images of equal weight that tell as much",
    "prevalence": "share of generated for what follows",
    "precision": "generated among published as such",
    "ece": "calibration error (15 equal bins)",
    "brier": "Brier score",
    "nll": "negative log-likelihood",
    "coverage_at_1_risk": "coverage at 1 % risk",
    "coverage_at_2_risk": "coverage at 2 % risk",
    "coverage_at_5_risk": "coverage at 5 % risk",
    "uncertain": "marked uncertain",
    "acc_certain": "published Acc of the rest",
    **{
        f"{key}_{name}": f"{meaning}, {where}"
        for name, where in OTHER_SETS.items()
        for key, meaning in (("acc", "Acc"), ("acc_drop", "less Acc"), ("iou", "IoU"), ("iou_drop", "less IoU"))
    },
}


def summarize_passes(
    predictions: Mapping[str, Sequence[Prediction]], *, prevalence: float | None = None
) -> dict[str, Metric]:
    """Return the metrics of the own pass, and of every other pass that `predictions` holds."""
    own = predictions["own"]
    summary = metrics.compute_metrics(own, prevalence=prevalence)
    summary |= calibration_metrics.compute_calibration_metrics(own, prevalence=prevalence)
    summary |= {name: measure_text(compute, own) for name, compute in TEXT_METRICS.items()}
    if "random" in predictions:
        summary["acc_random_boxes"] = metrics.measure_accuracy(predictions["random"])
        summary["over_random_boxes"] = metrics.measure_advantage(own, predictions["random"])
    if "annotated" in predictions:
        summary["acc_annotated_boxes"] = metrics.measure_accuracy(predictions["annotated"])
    for name in OTHER_SETS:
        if name in predictions:
            summary |= measure_shift(name, own, predictions[name], paired=name != PHOTOGRAPHS)
    return summary


def measure_text(compute: TextMetric, predictions: Sequence[Prediction]) -> Metric:
    """Return the mean over all images with a reference; an answer that could not be read has an empty explanation."""
    scores, known = _score_texts(compute, predictions)
    return metrics.estimate_for(predictions, resampling.build_mean(scores, among=known), n=int(known.sum()))


def build_text(compute: TextMetric, predictions: Sequence[Prediction]) -> Statistic:
    """Build the statistic of `measure_text`, for the difference of two checkpoints."""
    scores, known = _score_texts(compute, predictions)
    return resampling.build_mean(scores, among=known)


def _score_texts(compute: TextMetric, predictions: Sequence[Prediction]) -> tuple[Floats, Floats]:
    """Return each image's score, and 1 for each image with a reference."""
    scores = [compute(prediction.explanation, prediction.reference or "") for prediction in predictions]
    known = np.array([score is not None for score in scores], float)
    return np.array([score or 0.0 for score in scores]), known


def measure_shift(
    name: str, own: Sequence[Prediction], others: Sequence[Prediction], *, paired: bool = True
) -> dict[str, Metric]:
    """Return Acc and IoU of a pass over other images, and by how much they are less than on the own ones.

    `paired`: each other image is a copy of an own one or drawn like it, so that one resample serves both.
    """
    acc, other_acc = (metrics.build_accuracy(predictions) for predictions in (own, others))
    iou, other_iou = (metrics.build_overlap(metrics.iou_of_regions, predictions) for predictions in (own, others))
    subtract = resampling.subtract_paired if paired else partial(resampling.subtract_unpaired, first=len(own))
    judged = own if paired else [*own, *others]
    return {
        f"acc_{name}": metrics.measure_accuracy(others),
        f"acc_drop_{name}": metrics.estimate_for(judged, subtract(acc, other_acc)),
        f"iou_{name}": metrics.measure_overlap(metrics.iou_of_regions, others),
        f"iou_drop_{name}": metrics.estimate_for(judged, subtract(iou, other_iou)),
    }


def format_metrics(summary: Mapping[str, Metric]) -> str:
    """Return the metrics as a table of text, with the view's bound beside I-Acc."""
    lines = [f"{meaning:36} {summary[name]}" for name, meaning in MEANINGS.items() if name in summary]
    bound = f"   a view alone allows Phi({scenes.TONE_CUE}/2) = {metrics.view_bound(scenes.TONE_CUE):.3f} on our scenes"
    lines[0] += bound
    return "\n".join(lines)
