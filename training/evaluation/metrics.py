"""The paper's metrics of a set of predictions, each with a 95 % bootstrap interval, and the bound on a view's judge.

An answer that could not be read is wrong, never left out, except that C-Cases and C-Acc are about images with both
answers: what Query 2 did not say, it did not change. Metrics of published verdicts count Query 1's where it alone could
be read, as serving publishes it.
Source: paper section 4.1; equations 2 and 3.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline import geometry
from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import BoundingBox, Decision, Verdict
from training.common import resampling
from training.common.resampling import Floats, Metric, Statistic

Overlap = Callable[[Sequence[BoundingBox], Sequence[BoundingBox]], float | None]
"""from the model's and the annotated boxes of one image to their overlap; None where there is nothing to find"""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The truth of one image, the verdicts that the model wrote (None where unreadable), and the model's regions.

    `p_generated` is that of the last readable answer, calibrated by the checkpoint card; the raw ones are not
    calibrated. `overruled`: the calibrated probability says otherwise than this answer. `explanation` is Query 2's;
    `reference` is the text it is compared with, None where the truth has none. `file` is the image's path within its
    set, and `zoomed` are the regions that Query 2 saw enlarged. `weight` counts the images of the traffic that it
    stands for. `undrawn`: nobody was asked to draw, so no overlap is measured.
    """

    label: Verdict
    scan_verdict: Verdict | None
    check_verdict: Verdict | None
    regions: tuple[BoundingBox, ...]
    annotated: tuple[BoundingBox, ...]
    p_generated: float | None = None
    p_generated_raw: float | None = None
    uncertain: bool = False
    explanation: str = ""
    reference: str | None = None
    source: str | None = None
    scan_p_generated_raw: float | None = None
    overruled: bool = False
    file: str = ""
    zoomed: tuple[BoundingBox, ...] = ()
    weight: float = 1.0
    undrawn: bool = False

    @property
    def published_verdict(self) -> Verdict | None:
        """The verdict that serving publishes: Query 1's where Query 2 could not be read, None where neither could."""
        if self.last_verdict is None or not self.overruled:
            return self.last_verdict
        return Verdict.REAL if self.last_verdict is Verdict.GENERATED else Verdict.GENERATED

    @property
    def last_verdict(self) -> Verdict | None:
        """The verdict of the last readable answer, as the model wrote it."""
        return self.scan_verdict if self.check_verdict is None else self.check_verdict

    @property
    def parsed(self) -> bool:
        return self.scan_verdict is not None and self.check_verdict is not None

    def recalibrate(self, card: CheckpointCard) -> "Prediction":
        """Return the prediction with what this card decides from the last readable answer, as the worker does it."""
        if self.check_verdict is None:
            raw = self.scan_p_generated_raw
            return self if raw is None else self.apply(card.decide_scan(raw))
        if self.p_generated_raw is None:
            return self
        return self.apply(card.decide_check(self.p_generated_raw, self.source))

    def apply(self, decision: Decision) -> "Prediction":
        """Return the prediction with this decision in place of its own."""
        return replace(
            self,
            p_generated=decision.p_generated,
            p_generated_raw=decision.p_generated_raw,
            uncertain=decision.uncertain,
            overruled=decision.verdict is not self.last_verdict,
        )


def compute_metrics(predictions: Sequence[Prediction], *, prevalence: float | None = None) -> dict[str, Metric]:
    """Return the metrics of one pass; precision is stated for `prevalence`, or for the set's own share when None.

    They are about the verdicts that the model wrote, as the paper's are; `acc_published` and precision are about those
    that serving publishes.
    """
    first = mark_right([prediction.scan_verdict for prediction in predictions], predictions)
    second = mark_right([prediction.check_verdict for prediction in predictions], predictions)
    changed, parsed, generated = mark_changed(predictions), mark_parsed(predictions), mark_generated(predictions)
    image_weights = read_image_weights(predictions)
    mean = partial(resampling.estimate_mean, image_weights=image_weights)
    # Images of one class cannot be reweighted, so that precision is then stated for their own share alone.
    own_share = compute_share(generated, image_weights)
    share = own_share if prevalence is None or own_share in (0, 1) else prevalence
    tpr, tnr = (resampling.build_mean(second, among=among) for among in (generated, 1 - generated))
    count = len(predictions)
    return {
        "acc": mean(second),
        "acc_published": mean(mark_published_right(predictions)),
        "overruled": mean(np.array([p.overruled for p in predictions], float)),
        "i_acc": mean(first),
        "zoom_gain": mean(second - first),
        "c_acc": mean(second, among=changed),
        "c_cases": mean(changed, among=parsed),
        "identity_gap": measure_identity_gap(predictions),
        "iou": measure_overlap(iou_of_regions, predictions),
        "iou_recall": measure_overlap(iou_recall, predictions),
        "iou_f1": measure_overlap(iou_f1, predictions),
        "tpr": mean(second, among=generated),
        "tnr": mean(second, among=1 - generated),
        "balanced_acc": estimate_for(predictions, lambda weights: (tpr(weights) + tnr(weights)) / 2),
        "precision": measure_precision(predictions, share),
        "prevalence": Metric(share, None, None, count),
        "unparsed": mean(1 - parsed),
        "boxes": mean(np.array([len(prediction.regions) for prediction in predictions], float)),
    }


def read_image_weights(predictions: Sequence[Prediction]) -> Floats | None:
    """Return the weights of the images, 1 on average; None where all count the same."""
    weights = np.array([prediction.weight for prediction in predictions], float)
    if not len(weights) or ((weights == weights[0]).all() and weights[0] > 0):
        return None
    return weights / weights.mean() if weights.any() else weights


def compute_share(marked: Floats, image_weights: Floats | None) -> float:
    """Return the share of the images that are marked by 1; 0 where no image counts."""
    if image_weights is None:
        return float(marked.mean()) if len(marked) else 0.0
    return float(resampling.divide(image_weights @ marked, image_weights.sum())) if image_weights.any() else 0.0


def measure_accuracy(predictions: Sequence[Prediction]) -> Metric:
    """Return Acc: the share of images whose verdict after Query 2 the model wrote right."""
    return estimate_for(predictions, build_accuracy(predictions))


def estimate_published_accuracy(predictions: Sequence[Prediction]) -> Metric:
    """Return Acc of the verdicts that serving publishes."""
    return estimate_for(predictions, resampling.build_mean(mark_published_right(predictions)))


def estimate_for(predictions: Sequence[Prediction], statistic: Statistic, *, n: int | None = None) -> Metric:
    """Return the statistic with its interval, the images weighing what they stand for."""
    image_weights = read_image_weights(predictions)
    return resampling.estimate_metric(statistic, images=len(predictions), n=n, image_weights=image_weights)


def build_accuracy(predictions: Sequence[Prediction]) -> Statistic:
    """Build the statistic of `measure_accuracy`, for the difference of two passes."""
    return resampling.build_mean(mark_right([prediction.check_verdict for prediction in predictions], predictions))


def measure_advantage(predictions: Sequence[Prediction], others: Sequence[Prediction]) -> Metric:
    """Return Acc of one pass minus Acc of another over the same images, paired."""
    difference = resampling.subtract_paired(build_accuracy(predictions), build_accuracy(others))
    return estimate_for(predictions, difference)


def measure_precision(predictions: Sequence[Prediction], prevalence: float) -> Metric:
    """Return the share of generated images among those published as such, where `prevalence` of all are generated.

    It is computed from the rates of both classes, as a test set is mixed otherwise than the traffic. None where nothing
    is called generated.
    """
    called = np.array([prediction.published_verdict is Verdict.GENERATED for prediction in predictions], float)
    generated = mark_generated(predictions)
    hits, alarms = (resampling.build_mean(called, among=among) for among in (generated, 1 - generated))

    def compute(weights: Floats) -> Floats:
        found = prevalence * hits(weights)
        return resampling.divide(found, found + (1 - prevalence) * alarms(weights))

    return estimate_for(predictions, compute)


def measure_identity_gap(predictions: Sequence[Prediction]) -> Metric:
    """Return |Acc - I-Acc - C-Cases (2 C-Acc - 1)| over readable answers: 0 unless one of the metrics is wrong."""
    parsed = [prediction for prediction in predictions if prediction.parsed]
    if not parsed:
        return Metric(None, None, None, 0)
    acc = mark_right([prediction.check_verdict for prediction in parsed], parsed)
    changed = mark_changed(parsed) > 0
    c_acc = acc[changed].mean() if changed.any() else 0.5
    i_acc = mark_right([prediction.scan_verdict for prediction in parsed], parsed).mean()
    gap = abs(acc.mean() - i_acc - changed.mean() * (2 * c_acc - 1))
    return Metric(float(gap), None, None, len(parsed))


def iou_of_regions(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """Return equation 2: the mean over the model's boxes of the best overlap with an annotated one.

    0 where one side is empty, None where both are: there was nothing to find and nothing was named.
    """
    if not regions and not annotated:
        return None
    if not regions or not annotated:
        return 0.0
    return float(np.mean([max(geometry.iou(box, truth) for truth in annotated) for box in regions]))


def iou_recall(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """Return equation 2 with the sides exchanged: the mean over annotated boxes, so that a missed region costs."""
    return iou_of_regions(annotated, regions)


def iou_f1(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """Return the harmonic mean of both: neither few boxes nor many are enough for a high value."""
    precise, whole = iou_of_regions(regions, annotated), iou_recall(regions, annotated)
    if precise is None or whole is None:
        return None
    return 2 * precise * whole / (precise + whole) if precise + whole else 0.0


IOU_METRICS: Mapping[str, Overlap] = {"eq2": iou_of_regions, "recall": iou_recall, "f1": iou_f1}
"""the variants of "IoU of the model's boxes", for rewards and reports"""


def measure_overlap(compute: Overlap, predictions: Sequence[Prediction]) -> Metric:
    """Return the mean of one variant of IoU over all drawn images that have a box, named or annotated."""
    n = sum(bool(p.regions or p.annotated) and not p.undrawn for p in predictions)
    return estimate_for(predictions, build_overlap(compute, predictions), n=n)


def build_overlap(compute: Overlap, predictions: Sequence[Prediction]) -> Statistic:
    """Build the statistic of `measure_overlap`, for the difference of two passes."""
    overlaps = [None if p.undrawn else compute(p.regions, p.annotated) for p in predictions]
    boxed = np.array([overlap is not None for overlap in overlaps], float)
    return resampling.build_mean(np.array([overlap or 0.0 for overlap in overlaps]), among=boxed)


def view_bound(cue: float) -> float:
    """Return the accuracy that no judge of the view alone can pass: Phi(cue / 2).

    Labels are balanced, and a view tells them apart by its tone alone (artifacts lie above its Nyquist limit; grounds,
    decoys and details are drawn from the same distributions for both). The tone is drawn from N(-d/2, 1) for real and
    N(+d/2, 1) for generated scenes, d being the cue. The likelihood ratio exp(d t) grows with the tone t, so the best
    rule is a threshold, by symmetry at 0, and it is right with P(N(d/2, 1) > 0) = Phi(d/2) on either class. A judge
    reads t only through what the painting leaves of it, so the bound holds for every judge; a finite sample may pass it
    by chance, which is what the interval beside I-Acc is for.
    """
    return 0.5 * (1 + math.erf(cue / 2 / math.sqrt(2)))


def mark_right(verdicts: Iterable[Verdict | None], predictions: Sequence[Prediction]) -> Floats:
    """Return 1 where the verdict is the image's label, else 0."""
    pairs = zip(verdicts, predictions, strict=True)
    return np.array([verdict is prediction.label for verdict, prediction in pairs], float)


def mark_published_right(predictions: Sequence[Prediction]) -> Floats:
    """Return 1 where the verdict that serving publishes is the image's label, else 0."""
    return mark_right([prediction.published_verdict for prediction in predictions], predictions)


def mark_changed(predictions: Sequence[Prediction]) -> Floats:
    """Return 1 where both answers could be read and Query 2 changed the verdict, else 0."""
    return np.array([p.parsed and p.scan_verdict is not p.check_verdict for p in predictions], float)


def mark_parsed(predictions: Sequence[Prediction]) -> Floats:
    """Return 1 where both answers could be read, else 0."""
    return np.array([prediction.parsed for prediction in predictions], float)


def mark_generated(predictions: Sequence[Prediction]) -> Floats:
    """Return 1 for each generated image, else 0."""
    return np.array([prediction.label is Verdict.GENERATED for prediction in predictions], float)
