"""The paper's figures for a set of judged images, each with a 95 % bootstrap interval, and the bound on a view's judge.

Every image counts in every figure: an answer that could not be read is wrong, never left out.
Source: paper section 4.1; equations 2 and 3.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline import geometry
from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import BoundingBox, Verdict
from training.common import resampling
from training.common.resampling import Metric, Floats, Statistic

Overlap = Callable[[Sequence[BoundingBox], Sequence[BoundingBox]], float | None]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image: its truth, both verdicts (None where the answer could not be read), and the model's regions.

    `p_generated` is of the final verdict, as the checkpoint card corrects it; `p_generated_raw` is as the model has it.
    `explanation` is Query 2's, `reference` what it is held against, None where the truth has none.
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

    @property
    def parsed(self) -> bool:
        return self.scan_verdict is not None and self.check_verdict is not None

    def under(self, card: CheckpointCard) -> "Prediction":
        """With the raw probability corrected by this card, as the worker does it."""
        if self.p_generated_raw is None:
            return self
        p_generated = card.calibrate(self.p_generated_raw, self.source)
        return replace(self, p_generated=p_generated, uncertain=card.uncertain(p_generated))


def figures(own: Sequence[Prediction], *, prevalence: float | None = None) -> dict[str, Metric]:
    """What one pass with the model's own boxes shows; precision is stated for `prevalence`, else for the set's own."""
    first = right([one.scan_verdict for one in own], own)
    second = right([one.check_verdict for one in own], own)
    changed = np.array([one.scan_verdict is not one.check_verdict for one in own], float)
    generated = positives(own)
    # Images of one class cannot be weighed against others, so that nothing is stated for another share than theirs.
    own_share = float(generated.mean())
    share = own_share if prevalence is None or own_share in (0, 1) else prevalence
    tpr, tnr = (resampling.build_mean(second, among=among) for among in (generated, 1 - generated))
    count = len(own)
    return {
        "acc": resampling.bootstrap_mean(second),
        "i_acc": resampling.bootstrap_mean(first),
        "zoom_gain": resampling.bootstrap_mean(second - first),
        "c_acc": resampling.bootstrap_mean(second, among=changed),
        "c_cases": resampling.bootstrap_mean(changed),
        "identity_gap": identity_gap(own),
        "iou": overlap(iou_of_regions, own),
        "iou_recall": overlap(iou_recall, own),
        "iou_f1": overlap(iou_f1, own),
        "tpr": resampling.bootstrap_mean(second, among=generated),
        "tnr": resampling.bootstrap_mean(second, among=1 - generated),
        "balanced_acc": resampling.bootstrap_metric(lambda weights: (tpr(weights) + tnr(weights)) / 2, images=count),
        "precision": precision(own, share),
        "prevalence": Metric(share, None, None, count),
        "unparsed": resampling.bootstrap_mean(np.array([not one.parsed for one in own], float)),
        "boxes": resampling.bootstrap_mean(np.array([len(one.regions) for one in own], float)),
    }


def accuracy(judged: Sequence[Prediction]) -> Metric:
    """Acc: the share of final verdicts that are right."""
    return resampling.bootstrap_metric(accuracy_of(judged), images=len(judged))


def accuracy_of(judged: Sequence[Prediction]) -> Statistic:
    """The statistic behind `accuracy`, for the difference of two passes."""
    return resampling.build_mean(right([one.check_verdict for one in judged], judged))


def advantage(own: Sequence[Prediction], other: Sequence[Prediction]) -> Metric:
    """Acc of one pass minus Acc of another over the same images, paired."""
    return resampling.bootstrap_metric(resampling.subtract_paired(accuracy_of(own), accuracy_of(other)), images=len(own))


def precision(judged: Sequence[Prediction], prevalence: float) -> Metric:
    """The share of generated images among those called so, where `prevalence` of all are generated.

    From the rates of both classes, as a test set is mixed otherwise than the traffic. None where nothing is called so.
    """
    called = np.array([one.check_verdict is Verdict.GENERATED for one in judged], float)
    generated = positives(judged)
    hits, alarms = (resampling.build_mean(called, among=among) for among in (generated, 1 - generated))

    def statistic(weights: Floats) -> Floats:
        found = prevalence * hits(weights)
        return resampling.divide(found, found + (1 - prevalence) * alarms(weights))

    return resampling.bootstrap_metric(statistic, images=len(judged))


def identity_gap(judged: Sequence[Prediction]) -> Metric:
    """|Acc - I-Acc - C-Cases (2 C-Acc - 1)| over readable answers: 0, or one of the figures is not what it says."""
    parsed = [one for one in judged if one.parsed]
    if not parsed:
        return Metric(None, None, None, 0)
    acc = right([one.check_verdict for one in parsed], parsed)
    changed = np.array([one.scan_verdict is not one.check_verdict for one in parsed])
    c_acc = acc[changed].mean() if changed.any() else 0.5
    i_acc = right([one.scan_verdict for one in parsed], parsed).mean()
    gap = abs(acc.mean() - i_acc - changed.mean() * (2 * c_acc - 1))
    return Metric(float(gap), None, None, len(parsed))


def iou_of_regions(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """Equation 2: the mean over the model's boxes of the best overlap with an annotated one.

    0 where one side is empty, None where both are: there was nothing to find and nothing was named.
    """
    if not regions and not annotated:
        return None
    if not regions or not annotated:
        return 0.0
    return float(np.mean([max(geometry.iou(box, truth) for truth in annotated) for box in regions]))


def iou_recall(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """Equation 2 the other way round: the mean over annotated boxes, so that a region left out costs."""
    return iou_of_regions(annotated, regions)


def iou_f1(regions: Sequence[BoundingBox], annotated: Sequence[BoundingBox]) -> float | None:
    """The harmonic mean of both: neither few boxes nor many earn it."""
    precise, whole = iou_of_regions(regions, annotated), iou_recall(regions, annotated)
    if precise is None or whole is None:
        return None
    return 2 * precise * whole / (precise + whole) if precise + whole else 0.0


IOU_READINGS: Mapping[str, Overlap] = {"eq2": iou_of_regions, "recall": iou_recall, "f1": iou_f1}
"""what "IoU of the model's boxes" may mean; rewards and reports take it from here"""


def overlap(reading: Overlap, judged: Sequence[Prediction]) -> Metric:
    """The mean of one reading over all images where there was a box."""
    n = sum(bool(one.regions or one.annotated) for one in judged)
    return resampling.bootstrap_metric(overlap_of(reading, judged), images=len(judged), n=n)


def overlap_of(reading: Overlap, judged: Sequence[Prediction]) -> Statistic:
    """The statistic behind `overlap`, for the difference of two passes."""
    each = [reading(one.regions, one.annotated) for one in judged]
    boxed = np.array([one is not None for one in each], float)
    return resampling.build_mean(np.array([one or 0.0 for one in each]), among=boxed)


def view_bound(cue: float) -> float:
    """The accuracy that no judge of the view alone can pass: Phi(cue / 2).

    Labels are balanced, and a view tells them apart by its tone alone (artifacts lie above its Nyquist limit; grounds,
    decoys and details are drawn from the same distributions for both). The tone is drawn from N(-d/2, 1) for real and
    N(+d/2, 1) for generated scenes, d being the cue. The likelihood ratio exp(d t) grows with the tone t, so the best
    rule is a threshold, by symmetry at 0, and it is right with P(N(d/2, 1) > 0) = Phi(d/2) on either class. A judge
    reads t only through what the painting leaves of it, so the bound holds for every judge; a finite sample may pass it
    by chance, which is what the interval beside I-Acc is for.
    """
    return 0.5 * (1 + math.erf(cue / 2 / math.sqrt(2)))


def right(verdicts: Sequence[Verdict | None], judged: Sequence[Prediction]) -> Floats:
    """1 where the verdict is the image's label, else 0."""
    return np.array([verdict is one.label for verdict, one in zip(verdicts, judged, strict=True)], float)


def positives(judged: Sequence[Prediction]) -> Floats:
    """1 for each generated image, else 0."""
    return np.array([one.label is Verdict.GENERATED for one in judged], float)
