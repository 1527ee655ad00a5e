"""Everything that an evaluation reports, from its passes, by the names of the JSON line; and as a table for people."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from training.common import resampling
from training.common.resampling import Metric
from training.evaluation import calibration_metrics, metrics, text_metrics
from training.evaluation.metrics import Prediction
from training.synthetic import scenes

Json = dict[str, object]
"""a part of a report, as its JSON file has it"""

TEXT_READINGS: Mapping[str, Callable[[str, str], float | None]] = {
    "bleu1": partial(text_metrics.bleu, order=1),
    "bleu2": partial(text_metrics.bleu, order=2),
    "rouge_l": text_metrics.rouge_l,
}

PHOTOGRAPHS = "photographs"
PLANTED = "Photographs with planted artifacts"
ELSEWHERE = {
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
    "prevalence": "share of generated for what follows",
    "precision": "generated among those called so",
    "ece": "calibration error (15 equal bins)",
    "brier": "Brier score",
    "nll": "negative log-likelihood",
    "coverage_at_1_risk": "coverage at 1 % risk",
    "coverage_at_2_risk": "coverage at 2 % risk",
    "coverage_at_5_risk": "coverage at 5 % risk",
    "uncertain": "marked uncertain",
    "acc_certain": "Acc of the rest",
    **{
        f"{key}_{name}": f"{meaning}, {where}"
        for name, where in ELSEWHERE.items()
        for key, meaning in (("acc", "Acc"), ("acc_drop", "less Acc"), ("iou", "IoU"), ("iou_drop", "less IoU"))
    },
}


def of_passes(judged: Mapping[str, Sequence[Prediction]], *, prevalence: float | None = None) -> dict[str, Metric]:
    """The figures of the own pass and of every other that was made beside it."""
    own = judged["own"]
    shown = metrics.figures(own, prevalence=prevalence) | calibration_metrics.figures(own, prevalence=prevalence)
    shown |= {name: text(reading, own) for name, reading in TEXT_READINGS.items()}
    if "random" in judged:
        shown["acc_random_boxes"] = metrics.accuracy(judged["random"])
        shown["over_random_boxes"] = metrics.advantage(own, judged["random"])
    if "annotated" in judged:
        shown["acc_annotated_boxes"] = metrics.accuracy(judged["annotated"])
    for name in ELSEWHERE:
        if name in judged:
            shown |= elsewhere(name, own, judged[name], paired=name != PHOTOGRAPHS)
    return shown


def text(reading: Callable[[str, str], float | None], judged: Sequence[Prediction]) -> Metric:
    """The mean over all images with a reference; an answer that could not be read has said nothing."""
    each = [reading(one.explanation, one.reference or "") for one in judged]
    known = np.array([score is not None for score in each], float)
    return resampling.bootstrap_mean(np.array([score or 0.0 for score in each]), among=known)


def elsewhere(
    name: str, own: Sequence[Prediction], other: Sequence[Prediction], *, paired: bool = True
) -> dict[str, Metric]:
    """Acc and IoU of a pass over other images, and how much less that is than on the own ones.

    `paired`: image by image they are copies of the own ones or drawn like them, so that one resample serves both.
    """
    acc, other_acc = (metrics.accuracy_of(judged) for judged in (own, other))
    iou, other_iou = (metrics.overlap_of(metrics.iou_of_regions, judged) for judged in (own, other))
    minus = resampling.subtract_paired if paired else partial(resampling.subtract_unpaired, first=len(own))
    images = len(own) if paired else len(own) + len(other)
    return {
        f"acc_{name}": metrics.accuracy(other),
        f"acc_drop_{name}": resampling.bootstrap_metric(minus(acc, other_acc), images=images),
        f"iou_{name}": metrics.overlap(metrics.iou_of_regions, other),
        f"iou_drop_{name}": resampling.bootstrap_metric(minus(iou, other_iou), images=images),
    }


def table(shown: Mapping[str, Metric]) -> str:
    """The figures for people, with the view's bound beside I-Acc."""
    lines = [f"{meaning:36} {shown[name]}" for name, meaning in MEANINGS.items() if name in shown]
    bound = f"   a view alone allows Phi({scenes.TONE_CUE}/2) = {metrics.view_bound(scenes.TONE_CUE):.3f} on our scenes"
    lines[0] += bound
    return "\n".join(lines)
