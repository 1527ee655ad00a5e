"""Temperature, bias and uncertain range of a checkpoint, fitted to judged images. Pure.

Source: C. Guo et al., On calibration of modern neural networks (2017), for the temperature; J. Platt, Probabilistic
outputs for support vector machines (1999), for the bias.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain

import numpy as np

from pipeline.checkpoint import Calibration, CheckpointCard, Scaling
from pipeline.confidence import logit, sigmoid
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.common import resampling
from training.common.resampling import Metric, Floats
from training.evaluation import calibration_metrics, metrics
from training.evaluation.calibration_metrics import Told, class_weights
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample

MIN_PER_LABEL = 50
MIN_PER_LABEL_OF_SOURCE = 100
MAX_STEPS = 100
LEAST_STEP = 1e-6
CLOSE_ENOUGH = 1e-9
PRIOR_IMAGES = 1.0
"""what the model's own odds weigh against the images: a hundred of them are asked for at least"""
LEAST_RISE = 0.01
"""of the log-odds, from the least sure image to the surest"""
ROUNDED_TO = 1_000_000


def halves(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """One half to fit to and one to check on: every other image of each label and source, so both are mixed alike."""
    groups: defaultdict[tuple[Verdict, str | None], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.label, sample.source].append(sample)
    fitted, checked = (list(chain(*(group[start::2] for group in groups.values()))) for start in (0, 1))
    return fitted, checked


def refuse_unfit(labels: Sequence[Verdict], what: str) -> None:
    """Raises: BadSettings with the counts when there are too few images of a label to fit to or to check on."""
    counts = Counter(labels)
    if min(counts[label] for label in Verdict) < MIN_PER_LABEL:
        found = " and ".join(f"{counts[label]} {label}" for label in Verdict)
        raise BadSettings(
            f"{what} are {found}; calibration needs {MIN_PER_LABEL} of each label to fit to and as many to check on: "
            "give more by --count or --data"
        )


def fit(judged: Sequence[Prediction], card: CheckpointCard, *, prevalence: float | None, risk: float) -> CheckpointCard:
    """The card with a calibration and an uncertain range of its own; everything else on it stays.

    P(generated) is then meant for traffic of which `prevalence` is generated (None: mixed as `judged` is), and at most
    `risk` of the verdicts on either side of the range are wrong.
    Raises: BadSettings when too few answers could be read, or the model's odds say nothing about the label.
    """
    read = [one for one in judged if one.check_verdict is not None]
    refuse_unfit([one.label for one in read], "the images with a readable answer")
    whole = scaling(read, prevalence=prevalence)
    by_source = {source: [one for one in read if one.source == source] for source in {one.source for one in read}}
    enough = sorted(source for source, some in by_source.items() if source and _enough(some))
    own = {source: scaling(by_source[source], prevalence=prevalence) for source in enough}
    calibration = Calibration(temperature=whole.temperature, bias=whole.bias, per_source=own)
    fitted = card.model_copy(update={"calibration": calibration, "uncertain_between": None})
    told = Told.by([one.under(fitted) for one in read], prevalence=prevalence)
    between = uncertain_range(told, middle=sigmoid(whole.bias), risk=risk)
    return fitted.model_copy(update={"uncertain_between": between})


def compare(
    judged: Sequence[Prediction], old: CheckpointCard, new: CheckpointCard, *, prevalence: float | None
) -> tuple[dict[str, Metric], dict[str, Metric]]:
    """The figures of calibration under each card; the new one's hold `nll_drop` besides, which is paired."""
    before, after = ([one.under(card) for one in judged] for card in (old, new))
    losses = [calibration_metrics.nll(Told.by(ones, prevalence=prevalence)) for ones in (before, after)]
    drop = resampling.bootstrap_metric(resampling.subtract_paired(*losses), images=len(judged))
    shown = [calibration_metrics.figures(ones, prevalence=prevalence) for ones in (before, after)]
    return shown[0], shown[1] | {"nll_drop": drop}


def scaling(read: Sequence[Prediction], *, prevalence: float | None) -> Scaling:
    """What makes the likelihood of the labels greatest: it is concave in 1 / temperature and bias."""
    log_odds = np.array([logit(one.p_generated_raw or 0.0) for one in read])
    generated = metrics.positives(read)
    slope, bias = _newton(log_odds, generated, class_weights(generated, prevalence))
    if slope * np.abs(log_odds).max() < LEAST_RISE:
        raise BadSettings(
            f"the model's P(generated) does not rise with the share of generated images among the {len(read)} of "
            f"{read[0].source or 'all sources'}, so no temperature makes it a probability: train the model first"
        )
    return Scaling(temperature=float(f"{1 / slope:.6g}"), bias=float(f"{bias:.6g}"))


def uncertain_range(told: Told, *, middle: float, risk: float) -> tuple[float, float] | None:
    """The narrowest closed range around `middle` beyond which, on each side, at most `risk` of the verdicts are wrong.

    One more wrong verdict is counted on each side than was seen, so that few images do not promise much. A side that
    cannot keep the promise is uncertain to its end; None when nothing needs to be.
    """
    low = _edge(told.p, told, middle=middle, end=0.0, risk=risk)
    high = -_edge(-told.p, told, middle=-middle, end=-1.0, risk=risk)
    if low == middle == high:
        return None
    return math.floor(low * ROUNDED_TO) / ROUNDED_TO, math.ceil(high * ROUNDED_TO) / ROUNDED_TO


def _edge(p: Floats, told: Told, *, middle: float, end: float, risk: float) -> float:
    """The largest p, `middle` at most, below which the verdicts keep the risk; `end` where none does."""
    order = np.argsort(p)
    order = order[p[order] < middle]
    worst = told.shares.max()
    mass = np.cumsum(told.shares[order]) + worst
    wrong = np.cumsum((told.shares * (1 - told.right))[order]) + worst
    following = np.append(p[order][1:], middle)
    kept = np.flatnonzero((wrong <= risk * mass) & (p[order] < following))  # whole groups of equal p
    if not len(kept):
        return end
    last = int(kept[-1])
    return middle if last == len(order) - 1 else float(p[order][last] + following[last]) / 2


def _newton(x: Floats, labels: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and bias that make the weighted cross-entropy of sigmoid(slope x + bias) with the labels least.

    A prior of little weight holds them near the model's own odds, so that classes which do not overlap get an end.
    """
    features = np.stack([x, np.ones_like(x)], 1)
    own = np.array([1.0, 0.0])

    def loss(at: Floats) -> float:
        z = features @ at
        return float(weights @ (np.logaddexp(0, z) - labels * z) + PRIOR_IMAGES / 2 * ((at - own) ** 2).sum())

    at = own
    for _ in range(MAX_STEPS):
        p = 0.5 * (1 + np.tanh(features @ at / 2))
        gradient = features.T @ (weights * (p - labels)) + PRIOR_IMAGES * (at - own)
        curvature = (features * (weights * p * (1 - p))[:, None]).T @ features + PRIOR_IMAGES * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > LEAST_STEP and loss(at - size * step) > loss(at):
            size /= 2
        at = at - size * step
        if np.abs(size * step).max() < CLOSE_ENOUGH:
            break
    return float(at[0]), float(at[1])


def _enough(some: Sequence[Prediction]) -> bool:
    counts = Counter(one.label for one in some)
    return min(counts[label] for label in Verdict) >= MIN_PER_LABEL_OF_SOURCE
