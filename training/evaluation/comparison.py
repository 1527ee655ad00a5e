"""Two checkpoints over the same images: each metric of both with their paired difference, and McNemar's test. Pure."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import binomtest

from pipeline.verdict import Verdict
from training.common import resampling
from training.common.resampling import Statistic
from training.evaluation import metrics, summary
from training.evaluation.metrics import Prediction
from training.evaluation.summary import Json

StatisticBuilder = Callable[[Sequence[Prediction]], Statistic]
MOST_LISTED = 50


def _build_acc_published(predictions: Sequence[Prediction]) -> Statistic:
    return resampling.build_mean(metrics.mark_published_right(predictions))


def _build_i_acc(predictions: Sequence[Prediction]) -> Statistic:
    verdicts = [prediction.scan_verdict for prediction in predictions]
    return resampling.build_mean(metrics.mark_right(verdicts, predictions))


def _build_c_cases(predictions: Sequence[Prediction]) -> Statistic:
    return resampling.build_mean(metrics.mark_changed(predictions), among=metrics.mark_parsed(predictions))


def _build_parsed(predictions: Sequence[Prediction]) -> Statistic:
    return resampling.build_mean(metrics.mark_parsed(predictions))


def _build_boxes(predictions: Sequence[Prediction]) -> Statistic:
    return resampling.build_mean(np.array([len(prediction.regions) for prediction in predictions], float))


def _make_right_among(label: Verdict) -> StatisticBuilder:
    def build(predictions: Sequence[Prediction]) -> Statistic:
        among = np.array([prediction.label is label for prediction in predictions], float)
        verdicts = [prediction.check_verdict for prediction in predictions]
        return resampling.build_mean(metrics.mark_right(verdicts, predictions), among=among)

    return build


def _make_overlap(name: str) -> StatisticBuilder:
    return lambda predictions: metrics.build_overlap(metrics.IOU_METRICS[name], predictions)


def _make_text(name: str) -> StatisticBuilder:
    return lambda predictions: summary.build_text(summary.TEXT_METRICS[name], predictions)


COMPARED_METRICS: Mapping[str, tuple[str, StatisticBuilder]] = {
    "acc": ("Acc: verdict after Query 2", metrics.build_accuracy),
    "acc_published": ("Acc of the published verdicts", _build_acc_published),
    "i_acc": ("I-Acc: verdict after Query 1", _build_i_acc),
    "c_cases": ("C-Cases: share that Query 2 changed", _build_c_cases),
    "tpr": ("right among generated", _make_right_among(Verdict.GENERATED)),
    "tnr": ("right among real", _make_right_among(Verdict.REAL)),
    "iou": ("IoU of the model's boxes (Eq. 2)", _make_overlap("eq2")),
    "iou_recall": ("IoU of the annotated boxes", _make_overlap("recall")),
    "iou_f1": ("harmonic mean of the two", _make_overlap("f1")),
    "bleu1": ("BLEU-1 of the explanation", _make_text("bleu1")),
    "bleu2": ("BLEU-2", _make_text("bleu2")),
    "rouge_l": ("ROUGE-L", _make_text("rouge_l")),
    "boxes": ("boxes an image", _build_boxes),
    "parsed": ("answers that could be read", _build_parsed),
}


def compare_metrics(a: Sequence[Prediction], b: Sequence[Prediction]) -> list[Json]:
    """Return each metric of A and of B, and B minus A over the same resamples."""
    rows: list[Json] = []
    for name, (title, build) in COMPARED_METRICS.items():
        of_a, of_b = build(a), build(b)
        statistics = {"a": of_a, "b": of_b, "difference": resampling.subtract_paired(of_b, of_a)}
        compared = {key: metrics.estimate_for(a, statistic) for key, statistic in statistics.items()}
        rows.append({"figure": name, "title": title, **resampling.convert_to_json(compared)})
    return rows


def compute_mcnemar(a: Sequence[Prediction], b: Sequence[Prediction]) -> list[Json]:
    """Return who is right on which images, after each query, with the exact two-sided p of McNemar's test."""
    get_verdict: Mapping[str, Callable[[Prediction], Verdict | None]] = {
        "acc": lambda prediction: prediction.check_verdict,
        "i_acc": lambda prediction: prediction.scan_verdict,
    }
    rows: list[Json] = []
    for name, get in get_verdict.items():
        right_a, right_b = (metrics.mark_right(map(get, predictions), predictions) > 0 for predictions in (a, b))
        only_a, only_b = right_a & ~right_b, right_b & ~right_a
        rows.append(
            {
                "figure": name,
                "both": int((right_a & right_b).sum()),
                "only_a": int(only_a.sum()),
                "only_b": int(only_b.sum()),
                "neither": int((~right_a & ~right_b).sum()),
                "p": round(compute_exact_p(int(only_a.sum()), int(only_b.sum())), 6),
                "images_only_a": np.flatnonzero(only_a)[:MOST_LISTED].tolist(),
                "images_only_b": np.flatnonzero(only_b)[:MOST_LISTED].tolist(),
            }
        )
    return rows


def compute_exact_p(only_a: int, only_b: int) -> float:
    """Return the chance that a fair coin divides the images on which one alone is right at least as unevenly."""
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
