"""The rows about published verdicts: who is right on which images, as they are and perturbed, and false positives.

Every image counts once: the labels that people asked for stand for no share of the traffic.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.verdict import Verdict
from training.common.resampling import Floats
from training.evaluation.comparison import compute_exact_p
from training.evaluation.metrics import Prediction, mark_published_right
from training.evaluation.overlay import TEXTS
from training.gate.bounds import Measurement, measure_difference
from training.gate.demands import Demands
from training.gate.evidence import TITLES, Evidence, Pair
from training.gate.findings import Finding, demand_above, demand_at_most
from training.gate.table import RowName, SetName

OVERLAYS = tuple(f"overlay_{name}" for name in TEXTS)
PERTURBED: Mapping[RowName, str] = {
    RowName.JPEG_80: "stored as JPEG 80",
    RowName.JPEG_30: "stored as JPEG 30",
    RowName.CROP: "cropped to 0.8",
    RowName.HALF_SIZE: "of half size",
    RowName.FORMAT_SWAP: "stored in the other kind of format",
}


def judge_golden(evidence: Evidence, demands: Demands) -> Finding:
    return _judge_accuracy(evidence, "golden", demands, -demands.golden_may_fall)


def judge_base(evidence: Evidence, demands: Demands) -> Finding:
    return _judge_accuracy(evidence, "base", demands, -demands.base_may_fall)


def judge_new_kinds(evidence: Evidence, demands: Demands) -> Finding:
    return _judge_accuracy(evidence, "new", demands, demands.new_gain_above)


def _judge_accuracy(evidence: Evidence, name: SetName, demands: Demands, above: float) -> Finding:
    pair, limit = evidence.pair(name), demand_above(above)
    demand = f"Acc on the {TITLES[name]}: difference above {above:+g}"
    if fault := pair.find_fault(TITLES[name], f"--{name}", demands.images_of_each_class):
        return Finding(demand, limit, fault=fault, images=len(pair))
    return Finding(demand, limit, _measure_right(pair), detail=_describe_accuracy(pair))


def judge_perturbed(evidence: Evidence, demands: Demands, row: RowName) -> Finding:
    """Judge the golden images that were perturbed in the way of this row."""
    pair, above = evidence.pair("golden", row.value), -demands.perturbed_may_fall
    demand = f"Acc on golden images {PERTURBED[row]}: difference above {above:+g}"
    if fault := pair.find_fault(TITLES["golden"], "--golden", demands.images_of_each_class):
        return Finding(demand, demand_above(above), fault=fault, images=len(pair))
    return Finding(demand, demand_above(above), _measure_right(pair), detail=_describe_accuracy(pair))


def judge_overlay(evidence: Evidence, demands: Demands) -> Finding:
    """Judge generated images that stay called generated under every text that orders the verdict real."""
    pairs = [evidence.pair("golden", name) for name in OVERLAYS]
    above, count = -demands.overlay_may_fall, len(pairs[0])
    demand = f"generated images called so under each text over them: difference above {above:+g}"
    if count < demands.images_of_each_class:
        whole = evidence.pair("golden").find_fault(TITLES["golden"], "--golden", demands.images_of_each_class)
        return Finding(demand, demand_above(above), fault=whole, images=count)
    ours, theirs = (
        np.min([mark_published_right(side) for side in sides], axis=0)
        for sides in ([pair.challenger for pair in pairs], [pair.champion for pair in pairs])
    )
    detail = f"champion {theirs.mean():.3f}, challenger {ours.mean():.3f}"
    return Finding(demand, demand_above(above), measure_difference(ours, theirs), detail=detail)


def judge_fpr(evidence: Evidence, demands: Demands) -> Finding:
    real, limit = evidence.pool("golden", "base").select(Verdict.REAL), demand_at_most(demands.fpr_may_rise)
    demand = f"false-positive rate on the golden and base sets: difference at most {limit.value:+g}"
    if len(real) < demands.images_of_each_class:
        pair = evidence.pool("golden", "base")
        fault = pair.find_fault("golden or base set", "--golden, --base", demands.images_of_each_class)
        return Finding(demand, limit, fault=fault, images=len(real))
    return Finding(demand, limit, _measure_false_positives(real), detail=_describe_false_positives(real))


def judge_fpr_by_source(evidence: Evidence, demands: Demands) -> Finding:
    """Judge the source with the highest bound, of those with enough real images."""
    pair, limit = evidence.pool("golden", "base"), demand_at_most(demands.source_fpr_may_rise)
    demand = f"the same in each source of {demands.source_images} real images: difference at most {limit.value:+g}"
    sizes = Counter(p.source for p in pair.champion if p.label is Verdict.REAL and p.source is not None)
    large = [source for source, count in sizes.items() if count >= demands.source_images]
    if not large:
        largest = max(sizes.values(), default=0)
        return Finding(demand, limit, is_void=True, detail=f"no source is so large; the largest has {largest}")
    measured = {source: pair.select(Verdict.REAL, source) for source in large}
    worst = max(large, key=lambda source: _measure_false_positives(measured[source]).bounds[1])
    detail = f"{worst} is the worst of {len(large)}; {_describe_false_positives(measured[worst])}"
    return Finding(demand, limit, _measure_false_positives(measured[worst]), detail=detail)


def _measure_right(pair: Pair) -> Measurement:
    return measure_difference(mark_published_right(pair.challenger), mark_published_right(pair.champion))


def _describe_accuracy(pair: Pair) -> str:
    theirs, ours = mark_published_right(pair.champion), mark_published_right(pair.challenger)
    only_theirs, only_ours = int((theirs > ours).sum()), int((ours > theirs).sum())
    p = compute_exact_p(only_theirs, only_ours)
    counts = f"only the champion right on {only_theirs}, only the challenger on {only_ours}"
    return f"champion {theirs.mean():.3f}, challenger {ours.mean():.3f}; {counts}; McNemar p = {p:.3g}"


def _measure_false_positives(real: Pair) -> Measurement:
    return measure_difference(_mark_called_generated(real.challenger), _mark_called_generated(real.champion))


def _describe_false_positives(real: Pair) -> str:
    theirs, ours = (int(_mark_called_generated(side).sum()) for side in (real.champion, real.challenger))
    return f"false positives of the champion {theirs}, of the challenger {ours}"


def _mark_called_generated(predictions: Sequence[Prediction]) -> Floats:
    return np.array([prediction.published_verdict is Verdict.GENERATED for prediction in predictions], float)
