"""Temperature, bias and uncertain range of a checkpoint, fitted to its predictions. Pure.

Source: C. Guo et al., On calibration of modern neural networks (2017), for the temperature; J. Platt, Probabilistic
outputs for support vector machines (1999), for the bias.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.checkpoint import Calibration, CheckpointCard, Scaling
from pipeline.confidence import logit
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.common import resampling
from training.common.resampling import Floats, Metric
from training.evaluation import calibration_metrics, metrics, samples, uncertain_range
from training.evaluation.calibration_metrics import ScoredPredictions
from training.evaluation.metrics import Prediction
from training.evaluation.samples import LazySamples, Sample

MIN_PER_LABEL = 50
MIN_PER_LABEL_OF_SOURCE = 100
TOLERANCE = 1e-10
"""of the gradient of the loss per image, where the fit ends"""
PRIOR_IMAGES = 1.0
"""weight of the model's own odds against the images, of which there are a hundred at least"""
MIN_RISE = 0.01
"""of the log-odds, from the least certain image to the most certain"""


def split_in_halves(drawn: Sequence[Sample]) -> tuple[LazySamples, LazySamples]:
    """Return a half to fit to and a half to check on: every other image of each label and source."""
    groups: defaultdict[tuple[Verdict, str | None], list[int]] = defaultdict(list)
    for number, truth in enumerate(samples.list_truths(drawn)):
        groups[truth.label, truth.source].append(number)
    fitted, checked = (
        samples.select_samples(drawn, chain(*(group[start::2] for group in groups.values()))) for start in (0, 1)
    )
    return fitted, checked


def refuse_too_few(labels: Sequence[Verdict], what: str) -> None:
    """Refuse too few images of a label to fit to or to check on. Raises: BadSettings with the counts."""
    counts = Counter(labels)
    if min(counts[label] for label in Verdict) < MIN_PER_LABEL:
        found = " and ".join(f"{counts[label]} {label}" for label in Verdict)
        raise BadSettings(
            f"{what} are {found}; calibration needs {MIN_PER_LABEL} of each label to fit to and as many to check on: "
            "give more by --count or --data"
        )


def fit_card(
    predictions: Sequence[Prediction], card: CheckpointCard, *, prevalence: float | None, risk: float
) -> CheckpointCard:
    """Return the card with fitted calibrations of both queries and an uncertain range; everything else on it stays.

    P(generated) then holds for traffic of which `prevalence` is generated (None: the mix of `predictions`), and at
    most `risk` of the verdicts on either side of the range are wrong, with the confidence of `uncertain_range`.
    Raises: BadSettings when too few answers could be read, or the odds of Query 2 do not rise with the label.
    """
    readable = list_readable(predictions)
    refuse_too_few(_list_counted(readable), "the images with a readable answer")
    calibrated = card.model_copy(
        update={
            "calibration": fit_calibration(readable, prevalence=prevalence),
            "scan_calibration": fit_scan_calibration(readable, prevalence=prevalence),
        }
    )
    scored = score_readable(readable, calibrated, prevalence=prevalence)
    uncertain = uncertain_range.find_uncertain_range(scored, threshold=card.threshold, risk=risk)
    return calibrated.model_copy(update={"uncertain_between": uncertain})


def score_readable(
    predictions: Sequence[Prediction], card: CheckpointCard, *, prevalence: float | None
) -> ScoredPredictions:
    """Return the predictions with a readable answer as this card decides them; the uncertain range rests on these."""
    recalibrated = [prediction.recalibrate(card) for prediction in list_readable(predictions)]
    return ScoredPredictions.build(recalibrated, prevalence=prevalence)


def count_images_needed(
    predictions: Sequence[Prediction], card: CheckpointCard, *, prevalence: float | None, risk: float
) -> dict[Verdict, int | None]:
    """Return how many images to give at least, half of them to check on, for each verdict that is never certain.

    `predictions` are those that the card was fitted to; None where more images like these would not help.
    """
    scored = score_readable(predictions, card, prevalence=prevalence)
    needed = uncertain_range.count_images_needed(scored, threshold=card.threshold, risk=risk)
    return {verdict: None if images is None else 2 * images for verdict, images in needed.items()}


def list_readable(predictions: Sequence[Prediction]) -> list[Prediction]:
    return [prediction for prediction in predictions if prediction.check_verdict is not None]


def fit_calibration(readable: Sequence[Prediction], *, prevalence: float | None) -> Calibration:
    """Return the calibration of Query 2, with a scaling for each source that has enough images.

    Raises: BadSettings when the odds do not rise with the share of generated images.
    """
    shared = fit_scaling(readable, prevalence=prevalence)
    by_source: defaultdict[str | None, list[Prediction]] = defaultdict(list)
    for prediction in readable:
        by_source[prediction.source].append(prediction)
    large = sorted(source for source, group in by_source.items() if source and _is_large(group))
    per_source = {source: fit_scaling(by_source[source], prevalence=prevalence) for source in large}
    return Calibration(temperature=shared.temperature, bias=shared.bias, per_source=per_source)


def fit_scan_calibration(readable: Sequence[Prediction], *, prevalence: float | None) -> Scaling | None:
    """Return one scaling of Query 1 for all sources; None if its odds do not rise with the share of generated images.

    Published verdicts rest on Query 1 only where Query 2 failed; the evidence shows its probability on each.
    """
    known = [prediction for prediction in readable if prediction.scan_p_generated_raw is not None]
    scans = [replace(prediction, p_generated_raw=prediction.scan_p_generated_raw) for prediction in known]
    return _try_fit(scans, prevalence=prevalence) if scans else None


def compare_calibrations(
    predictions: Sequence[Prediction], old: CheckpointCard, new: CheckpointCard, *, prevalence: float | None
) -> tuple[dict[str, Metric], dict[str, Metric]]:
    """Return metrics of the published verdicts under each card; the new one has `nll_drop` too, which is paired."""
    by_card = [[prediction.recalibrate(card) for prediction in predictions] for card in (old, new)]
    before, after = (
        calibration_metrics.compute_calibration_metrics(group, prevalence=prevalence)
        | {"acc_published": metrics.estimate_published_accuracy(group)}
        for group in by_card
    )
    losses = [calibration_metrics.build_nll(ScoredPredictions.build(group, prevalence=prevalence)) for group in by_card]
    drop = metrics.estimate_for(predictions, resampling.subtract_paired(*losses))
    return before, after | {"nll_drop": drop}


def fit_scaling(readable: Sequence[Prediction], *, prevalence: float | None) -> Scaling:
    """Return the temperature and bias under which the labels are most likely.

    Raises: BadSettings when the model's odds do not rise with the share of generated images.
    """
    scaling = _try_fit(readable, prevalence=prevalence)
    if scaling is None:
        raise BadSettings(
            f"the model's P(generated) does not rise with the share of generated images among the {len(readable)} of "
            f"{readable[0].source or 'all sources'}, so no temperature makes it a probability: train the model first"
        )
    return scaling


def _try_fit(readable: Sequence[Prediction], *, prevalence: float | None) -> Scaling | None:
    log_odds = np.array([logit(prediction.p_generated_raw or 0.0) for prediction in readable])
    scored = ScoredPredictions.build(readable, prevalence=prevalence)
    slope, bias = _fit_logistic(log_odds, scored.generated, scored.shares * scored.image_weights)
    if slope * np.abs(log_odds).max() < MIN_RISE:
        return None
    return Scaling(temperature=float(f"{1 / slope:.6g}"), bias=float(f"{bias:.6g}"))


def _fit_logistic(log_odds: Floats, labels: Floats, weights: Floats) -> tuple[float, float]:
    """Return slope and bias with the least weighted cross-entropy between sigmoid(slope x + bias) and the labels.

    A prior of little weight holds them near the model's own odds: it bounds the slope when classes do not overlap.
    """
    features = np.stack([log_odds, np.ones_like(log_odds)], 1)
    own = np.array([1.0, 0.0])

    def compute_loss(parameters: Floats) -> tuple[float, Floats]:
        """Return the loss per image and its gradient; the loss is convex."""
        z, distance = features @ parameters, parameters - own
        loss = weights @ (np.logaddexp(0, z) - labels * z) + PRIOR_IMAGES / 2 * distance @ distance
        gradient = features.T @ (weights * (expit(z) - labels)) + PRIOR_IMAGES * distance
        return loss / len(log_odds), gradient / len(log_odds)

    slope, bias = minimize(compute_loss, own, jac=True, method="BFGS", tol=TOLERANCE).x
    return float(slope), float(bias)


def _list_counted(predictions: Sequence[Prediction]) -> list[Verdict]:
    """List the labels of the images that count; one that people chose stands for no traffic."""
    return [prediction.label for prediction in predictions if prediction.weight > 0]


def _is_large(predictions: Sequence[Prediction]) -> bool:
    counts = Counter(_list_counted(predictions))
    return min(counts[label] for label in Verdict) >= MIN_PER_LABEL_OF_SOURCE
