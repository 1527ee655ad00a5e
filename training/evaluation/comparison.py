"""Two checkpoints over the same images: each figure of both with their paired difference, and McNemar's test. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipeline.verdict import Verdict
from training.common import resampling
from training.common.resampling import Statistic
from training.evaluation import metrics, summary
from training.evaluation.metrics import Prediction
from training.evaluation.summary import Json

Reading = Callable[[Sequence[Prediction]], Statistic]
MOST_LISTED = 50


def _right_first(judged: Sequence[Prediction]) -> Statistic:
    return resampling.build_mean(metrics.right([one.scan_verdict for one in judged], judged))


def _changed(judged: Sequence[Prediction]) -> Statistic:
    return resampling.build_mean(np.array([one.scan_verdict is not one.check_verdict for one in judged], float))


def _right_among(label: Verdict) -> Reading:
    def statistic(judged: Sequence[Prediction]) -> Statistic:
        among = np.array([one.label is label for one in judged], float)
        return resampling.build_mean(metrics.right([one.check_verdict for one in judged], judged), among=among)

    return statistic


def _overlap(name: str) -> Reading:
    return lambda judged: metrics.overlap_of(metrics.IOU_READINGS[name], judged)


def _text(name: str) -> Reading:
    def statistic(judged: Sequence[Prediction]) -> Statistic:
        each = [summary.TEXT_READINGS[name](one.explanation, one.reference or "") for one in judged]
        known = np.array([score is not None for score in each], float)
        return resampling.build_mean(np.array([score or 0.0 for score in each]), among=known)

    return statistic


READINGS: Mapping[str, tuple[str, Reading]] = {
    "acc": ("Acc: verdict after Query 2", metrics.accuracy_of),
    "i_acc": ("I-Acc: verdict after Query 1", _right_first),
    "c_cases": ("C-Cases: share that Query 2 changed", _changed),
    "tpr": ("right among generated", _right_among(Verdict.GENERATED)),
    "tnr": ("right among real", _right_among(Verdict.REAL)),
    "iou": ("IoU of the model's boxes (Eq. 2)", _overlap("eq2")),
    "iou_recall": ("IoU of the annotated boxes", _overlap("recall")),
    "iou_f1": ("harmonic mean of the two", _overlap("f1")),
    "bleu1": ("BLEU-1 of the explanation", _text("bleu1")),
    "bleu2": ("BLEU-2", _text("bleu2")),
    "rouge_l": ("ROUGE-L", _text("rouge_l")),
    "boxes": (
        "boxes an image",
        lambda judged: resampling.build_mean(np.array([len(one.regions) for one in judged], float)),
    ),
}


def figures_of_both(a: Sequence[Prediction], b: Sequence[Prediction]) -> list[Json]:
    """Each figure for A and for B, and B minus A over the same resamples."""
    rows: list[Json] = []
    for name, (title, reading) in READINGS.items():
        of_a, of_b = reading(a), reading(b)
        statistics = {"a": of_a, "b": of_b, "difference": resampling.subtract_paired(of_b, of_a)}
        shown = {key: resampling.bootstrap_metric(statistic, images=len(a)) for key, statistic in statistics.items()}
        rows.append({"figure": name, "title": title, **resampling.convert_to_json(shown)})
    return rows


def mcnemar(a: Sequence[Prediction], b: Sequence[Prediction]) -> list[Json]:
    """Who is right where, after Query 2 and after Query 1, with the exact two-sided p of McNemar's test."""
    said: Mapping[str, Callable[[Prediction], Verdict | None]] = {
        "acc": lambda one: one.check_verdict,
        "i_acc": lambda one: one.scan_verdict,
    }
    rows: list[Json] = []
    for name, verdict in said.items():
        right_a, right_b = (metrics.right([verdict(one) for one in judged], judged) > 0 for judged in (a, b))
        only_a, only_b = right_a & ~right_b, right_b & ~right_a
        rows.append(
            {
                "figure": name,
                "both": int((right_a & right_b).sum()),
                "only_a": int(only_a.sum()),
                "only_b": int(only_b.sum()),
                "neither": int((~right_a & ~right_b).sum()),
                "p": round(exact_p(int(only_a.sum()), int(only_b.sum())), 6),
                "images_only_a": np.flatnonzero(only_a)[:MOST_LISTED].tolist(),
                "images_only_b": np.flatnonzero(only_b)[:MOST_LISTED].tolist(),
            }
        )
    return rows


def exact_p(only_a: int, only_b: int) -> float:
    """The chance that a fair coin divides the images on which one alone is right at least as unevenly."""
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**n)
