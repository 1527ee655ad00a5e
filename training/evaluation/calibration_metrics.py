"""How far P(generated) can be trusted: calibration, ranking, and how much can be decided at a stated risk.

An answer that could not be read counts as P(generated) = 1/2 and as wrong; it is never left out. Equal probabilities
stay together, so no figure depends on the order of the images. Each figure can be stated for another share of generated
images than the set's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.verdict import Verdict
from training.common import resampling
from training.common.resampling import Metric, Floats, Statistic
from training.evaluation import metrics
from training.evaluation.metrics import Prediction

BINS = 15
MAX_FPR = 0.01
RISKS = {"coverage_at_1_risk": 0.01, "coverage_at_2_risk": 0.02, "coverage_at_5_risk": 0.05}
UNREAD = 0.5
IMPOSSIBLE = 1e-9  # what counts as 0, as in pipeline/confidence.py: to be wrong there costs much, not without end
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What was said of each image: P(generated), whether it is, whether the verdict was right, and how sure it was.

    `shares` weigh the images so that their mix is the one that the figures are stated for.
    """

    p: Floats
    generated: Floats
    right: Floats
    confidence: Floats
    shares: Floats

    @classmethod
    def by(cls, judged: Sequence[Prediction], *, prevalence: float | None = None) -> "Told":
        generated = metrics.positives(judged)
        return cls(
            p=np.array([_p(one) for one in judged], float),
            generated=generated,
            right=metrics.right([one.check_verdict for one in judged], judged),
            confidence=np.array([_confidence(one) for one in judged], float),
            shares=class_weights(generated, prevalence),
        )


def class_weights(generated: Floats, prevalence: float | None) -> Floats:
    """What each image counts, 1 on average, so that `prevalence` of all are generated; all 1 without one."""
    share = generated.mean() if len(generated) else 0.0
    if prevalence is None or not 0 < share < 1:
        return np.ones_like(generated)
    return np.where(generated == 1, prevalence / share, (1 - prevalence) / (1 - share))


def figures(judged: Sequence[Prediction], *, prevalence: float | None = None) -> dict[str, Metric]:
    """Every figure of this file, by the names of the JSON line."""
    told = Told.by(judged, prevalence=prevalence)
    certain = np.array([not one.uncertain for one in judged], float)
    statistics = {
        "ece": ece(told),
        "brier": brier(told),
        "nll": nll(told),
        "auroc": auroc(told),
        "tpr_at_1_fpr": tpr_at_fpr(told, MAX_FPR),
        **{name: coverage(told, risk) for name, risk in RISKS.items()},
        "uncertain": average(told, 1 - certain),
    }
    shown = {name: resampling.bootstrap_metric(statistic, images=len(judged)) for name, statistic in statistics.items()}
    sure = average(told, told.right, among=certain)
    return shown | {"acc_certain": resampling.bootstrap_metric(sure, images=len(judged), n=int(certain.sum()))}


def average(told: Told, values: Floats, *, among: Floats | None = None) -> Statistic:
    """The mean of `values` where `among` is 1, in the mix that the figures are stated for."""
    chosen = told.shares if among is None else told.shares * among
    return lambda weights: resampling.divide(weights @ (values * chosen), weights @ chosen)


def brier(told: Told) -> Statistic:
    """The mean squared distance of P(generated) from what is true."""
    return average(told, (told.p - told.generated) ** 2)


def nll(told: Told) -> Statistic:
    """The mean of -log of the probability that the truth was given, in nats."""
    given = np.where(told.generated == 1, told.p, 1 - told.p)
    return average(told, -np.log(np.clip(given, IMPOSSIBLE, 1.0)))


def ece(told: Told, bins: int = BINS) -> Statistic:
    """Expected calibration error: the mean over bins of |mean of P(generated) - share of generated|.

    Bins hold equal mass, exactly: an image, or a group of equal probability, on a border counts in both in part.
    """
    groups = _Groups.by(told.p)
    gap = told.p - told.generated

    def statistic(weights: Floats) -> Floats:
        counted = weights * told.shares
        mass = np.cumsum(groups.sums(counted), 1)
        gaps = np.cumsum(groups.sums(counted * gap), 1)
        start = np.zeros((len(weights), 1))
        borders = np.linspace(0, 1, bins + 1)
        rows = zip(np.hstack([start, mass]), np.hstack([start, gaps]), strict=True)
        return np.array([np.abs(np.diff(np.interp(borders * m[-1], m, g))).sum() / m[-1] for m, g in rows])

    return statistic


def auroc(told: Told) -> Statistic:
    """The chance that a generated image has the higher P(generated) than a real one; equal ones count one half."""
    groups = _Groups.by(told.p)

    def statistic(weights: Floats) -> Floats:
        generated = groups.sums(weights * told.generated)
        real = groups.sums(weights * (1 - told.generated))
        below = np.cumsum(real, 1) - real / 2
        return resampling.divide((generated * below).sum(1), generated.sum(1) * real.sum(1))

    return statistic


def tpr_at_fpr(told: Told, max_fpr: float) -> Statistic:
    """The largest share of generated images above a threshold that at most `max_fpr` of the real ones pass."""
    groups = _Groups.by(-told.p)

    def statistic(weights: Floats) -> Floats:
        hits = np.cumsum(groups.sums(weights * told.generated), 1)
        alarms = np.cumsum(groups.sums(weights * (1 - told.generated)), 1)
        allowed = alarms <= max_fpr * alarms[:, -1:] + ROUNDING
        found = resampling.divide(np.where(allowed, hits, 0).max(1), hits[:, -1])
        return np.where(alarms[:, -1] > 0, found, np.nan)

    return statistic


def coverage(told: Told, risk: float) -> Statistic:
    """The largest share of images, surest verdicts first, of which at most `risk` are judged wrongly."""
    groups = _Groups.by(-told.confidence)

    def statistic(weights: Floats) -> Floats:
        counted = weights * told.shares
        mass = np.cumsum(groups.sums(counted), 1)
        wrong = np.cumsum(groups.sums(counted * (1 - told.right)), 1)
        return resampling.divide(np.where(wrong <= risk * mass + ROUNDING, mass, 0).max(1), mass[:, -1])

    return statistic


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Images in rising order of a value, those of equal value as one group."""

    order: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]

    @classmethod
    def by(cls, values: Floats) -> "_Groups":
        order = np.argsort(values, kind="stable")
        return cls(order, np.flatnonzero(np.diff(values[order], prepend=-np.inf)))

    def sums(self, counted: Floats) -> Floats:
        """[resamples, images] to [resamples, groups]."""
        summed: Floats = np.add.reduceat(counted[:, self.order], self.starts, axis=1)
        return summed


def _p(one: Prediction) -> float:
    return UNREAD if one.check_verdict is None or one.p_generated is None else one.p_generated


def _confidence(one: Prediction) -> float:
    """The probability of the verdict that was given; nothing is less sure than an answer that nobody can read."""
    if one.check_verdict is None:
        return 0.0
    return _p(one) if one.check_verdict is Verdict.GENERATED else 1 - _p(one)
