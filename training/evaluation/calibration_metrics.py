"""Metrics of P(generated): calibration, ranking, and the share that can be decided at a stated risk.

They are about what serving publishes: where Query 2 could not be read, Query 1's verdict and probability. An image
without any readable answer counts as P(generated) = 1/2 and as wrong; it is never left out. Images of equal probability
stay together, so no metric depends on the order of the images. Each metric can be stated for another share of generated
images than the set's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.verdict import Verdict
from training.common import resampling
from training.common.resampling import Floats, Metric, Statistic
from training.evaluation import metrics
from training.evaluation.metrics import Prediction

BINS = 15
MAX_FPR = 0.01
RISKS = {"coverage_at_1_risk": 0.01, "coverage_at_2_risk": 0.02, "coverage_at_5_risk": 0.05}
UNREAD = 0.5
IMPOSSIBLE = 1e-9  # least probability in a logarithm, as in pipeline/confidence.py: a wrong 0 costs much, not infinity
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPredictions:
    """Predictions as arrays over images: P(generated), truth, correctness and confidence of the published verdict.

    `shares` weigh the images so that their mix is the one that the metrics are stated for; `image_weights` say what
    each stands for in the traffic, 1 on average.
    """

    p: Floats
    generated: Floats
    right: Floats
    confidence: Floats
    shares: Floats
    image_weights: Floats

    @classmethod
    def build(cls, predictions: Sequence[Prediction], *, prevalence: float | None = None) -> "ScoredPredictions":
        generated, image_weights = metrics.mark_generated(predictions), metrics.read_image_weights(predictions)
        return cls(
            p=np.array([_get_p_generated(prediction) for prediction in predictions], float),
            generated=generated,
            right=metrics.mark_published_right(predictions),
            confidence=np.array([_compute_confidence(prediction) for prediction in predictions], float),
            shares=compute_class_weights(generated, prevalence, image_weights),
            image_weights=np.ones_like(generated) if image_weights is None else image_weights,
        )


def compute_class_weights(generated: Floats, prevalence: float | None, image_weights: Floats | None = None) -> Floats:
    """Return the factor of each image's weight with which `prevalence` of all are generated; all 1 when it is None."""
    share = metrics.compute_share(generated, image_weights)
    if prevalence is None or not 0 < share < 1:
        return np.ones_like(generated)
    return np.where(generated == 1, prevalence / share, (1 - prevalence) / (1 - share))


def compute_calibration_metrics(
    predictions: Sequence[Prediction], *, prevalence: float | None = None
) -> dict[str, Metric]:
    """Return every metric of this file, by its name in the JSON line."""
    scored = ScoredPredictions.build(predictions, prevalence=prevalence)
    certain = np.array([not prediction.uncertain for prediction in predictions], float)
    statistics = {
        "ece": build_ece(scored),
        "brier": build_brier(scored),
        "nll": build_nll(scored),
        "auroc": build_auroc(scored),
        "tpr_at_1_fpr": build_tpr_at_fpr(scored, MAX_FPR),
        **{name: build_coverage(scored, risk) for name, risk in RISKS.items()},
        "uncertain": build_average(scored, 1 - certain),
    }
    computed = {name: metrics.estimate_for(predictions, statistic) for name, statistic in statistics.items()}
    acc_certain = build_average(scored, scored.right, among=certain)
    computed["acc_certain"] = metrics.estimate_for(predictions, acc_certain, n=int(certain.sum()))
    if metrics.read_image_weights(predictions) is not None:
        size = resampling.compute_effective_size(scored.image_weights)
        computed["effective_images"] = Metric(size, None, None, len(predictions))
    return computed


def build_average(scored: ScoredPredictions, values: Floats, *, among: Floats | None = None) -> Statistic:
    """Build the mean of `values` where `among` is 1, in the mix that the metrics are stated for."""
    chosen = scored.shares if among is None else scored.shares * among
    return lambda weights: resampling.divide(weights @ (values * chosen), weights @ chosen)


def build_brier(scored: ScoredPredictions) -> Statistic:
    """Build the mean squared distance of P(generated) from the truth."""
    return build_average(scored, (scored.p - scored.generated) ** 2)


def build_nll(scored: ScoredPredictions) -> Statistic:
    """Build the mean of -log of the probability of the truth, in nats."""
    p_truth = np.where(scored.generated == 1, scored.p, 1 - scored.p)
    return build_average(scored, -np.log(np.clip(p_truth, IMPOSSIBLE, 1.0)))


def build_ece(scored: ScoredPredictions, bins: int = BINS) -> Statistic:
    """Build the expected calibration error: the mean over bins of |mean of P(generated) - share of generated|.

    Bins hold equal mass, exactly: an image, or a group of equal probability, on a border counts in both in part.
    """
    groups = _TiedGroups.build(scored.p)
    gap = scored.p - scored.generated

    def compute(weights: Floats) -> Floats:
        counted = weights * scored.shares
        mass = np.cumsum(groups.sum_by_group(counted), 1)
        gaps = np.cumsum(groups.sum_by_group(counted * gap), 1)
        start = np.zeros((len(weights), 1))
        borders = np.linspace(0, 1, bins + 1)
        rows = zip(np.hstack([start, mass]), np.hstack([start, gaps]), strict=True)
        total = np.array([np.abs(np.diff(np.interp(borders * m[-1], m, g))).sum() for m, g in rows])
        return resampling.divide(total, mass[:, -1])

    return compute


def build_auroc(scored: ScoredPredictions) -> Statistic:
    """Build the chance that a generated image has a higher P(generated) than a real one; ties count one half."""
    groups = _TiedGroups.build(scored.p)

    def compute(weights: Floats) -> Floats:
        generated = groups.sum_by_group(weights * scored.generated)
        real = groups.sum_by_group(weights * (1 - scored.generated))
        below = np.cumsum(real, 1) - real / 2
        return resampling.divide((generated * below).sum(1), generated.sum(1) * real.sum(1))

    return compute


def build_tpr_at_fpr(scored: ScoredPredictions, max_fpr: float) -> Statistic:
    """Build the largest share of generated images above a threshold that at most `max_fpr` of the real ones pass."""
    groups = _TiedGroups.build(-scored.p)

    def compute(weights: Floats) -> Floats:
        hits = np.cumsum(groups.sum_by_group(weights * scored.generated), 1)
        alarms = np.cumsum(groups.sum_by_group(weights * (1 - scored.generated)), 1)
        allowed = alarms <= max_fpr * alarms[:, -1:] + ROUNDING
        found = resampling.divide(np.where(allowed, hits, 0).max(1), hits[:, -1])
        return np.where(alarms[:, -1] > 0, found, np.nan)

    return compute


def build_coverage(scored: ScoredPredictions, risk: float) -> Statistic:
    """Build the largest share of images, most confident verdicts first, of which at most `risk` are wrong."""
    groups = _TiedGroups.build(-scored.confidence)

    def compute(weights: Floats) -> Floats:
        counted = weights * scored.shares
        mass = np.cumsum(groups.sum_by_group(counted), 1)
        wrong = np.cumsum(groups.sum_by_group(counted * (1 - scored.right)), 1)
        return resampling.divide(np.where(wrong <= risk * mass + ROUNDING, mass, 0).max(1), mass[:, -1])

    return compute


@dataclass(frozen=True, slots=True, eq=False)
class _TiedGroups:
    """Images in rising order of a value; images of equal value form one group."""

    order: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]

    @classmethod
    def build(cls, values: Floats) -> "_TiedGroups":
        order = np.argsort(values, kind="stable")
        return cls(order, np.flatnonzero(np.diff(values[order], prepend=-np.inf)))

    def sum_by_group(self, counted: Floats) -> Floats:
        """Shapes: from [resamples, images] to [resamples, groups]."""
        summed: Floats = np.add.reduceat(counted[:, self.order], self.starts, axis=1)
        return summed


def _get_p_generated(prediction: Prediction) -> float:
    return UNREAD if prediction.p_generated is None else prediction.p_generated


def _compute_confidence(prediction: Prediction) -> float:
    """Return the probability of the verdict; an image without a readable answer ranks last."""
    if prediction.published_verdict is None:
        return 0.0
    p_generated = _get_p_generated(prediction)
    return p_generated if prediction.published_verdict is Verdict.GENERATED else 1 - p_generated
