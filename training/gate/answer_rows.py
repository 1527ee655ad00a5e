"""The rows about answers: whether zooming decides, boxes and words, unreadable answers, and calibration."""

from collections.abc import Callable, Sequence

import numpy as np

from training.common import resampling
from training.common.resampling import Floats, Statistic
from training.evaluation import calibration_metrics, metrics
from training.evaluation.calibration_metrics import ScoredPredictions
from training.evaluation.comparison import COMPARED_METRICS
from training.evaluation.metrics import Prediction
from training.gate.bounds import Bounds, Measurement, measure_share, measure_statistic
from training.gate.demands import Demands
from training.gate.evidence import OWN, RANDOM, SET_NAMES, TITLES, Evidence, Fault, Pair
from training.gate.findings import Finding, demand_above, demand_at_most

_NO_SET = Fault("there is neither a golden set nor a base set; name one with --golden or --base")


def judge_random_boxes(evidence: Evidence, demands: Demands) -> Finding:
    """Judge by how much Acc falls when Query 2 sees random boxes in place of the model's own."""
    share, limit = demands.random_boxes_share, demand_above(0.0)
    demand = f"Acc that random boxes cost, less {share:g} of what they cost the champion: above 0"
    own, random = (evidence.pool("golden", "base", pass_name=name) for name in (OWN, RANDOM))
    if not len(own):
        return Finding(demand, limit, fault=_NO_SET)
    theirs = _build_cost(own.champion, random.champion)
    ours = _build_cost(own.challenger, random.challenger)

    def subtract_share(weights: Floats) -> Floats:
        return ours(weights) - share * theirs(weights)

    detail = f"they cost the champion {_compute(theirs, own):.3f}, the challenger {_compute(ours, own):.3f}"
    return Finding(demand, limit, measure_statistic(subtract_share, len(own)), detail=detail)


def _build_cost(own: Sequence[Prediction], random: Sequence[Prediction]) -> Statistic:
    return resampling.subtract_paired(metrics.build_accuracy(own), metrics.build_accuracy(random))


def judge_c_acc(evidence: Evidence, demands: Demands) -> Finding:
    """Judge the challenger's Acc over the images whose verdict Query 2 changed."""
    limit = demand_above(demands.c_acc_above)
    demand = f"C-Acc, where Query 2 changed the verdict: above {limit.value:g}"
    ours = evidence.pool("golden", "base").challenger
    if not ours:
        return Finding(demand, limit, fault=_NO_SET)
    changed = metrics.mark_changed(ours) > 0
    if not changed.any():
        return Finding(demand, limit, fault=Fault("Query 2 changed no verdict, so that zooming decides nothing"))
    right = metrics.mark_right([prediction.check_verdict for prediction in ours], ours)[changed]
    among_changed, share_changed = measure_share(right), float(changed.mean())

    def bound_at(images: float) -> Bounds:
        return among_changed.bound_at(images * share_changed)

    detail = f"Query 2 changed {len(right)} of {len(ours)} verdicts"
    return Finding(demand, limit, Measurement(among_changed.value, len(ours), bound_at), detail=detail)


def judge_iou(evidence: Evidence, demands: Demands) -> Finding:
    return _judge_ratio(evidence, "iou", demands.iou_share, "annotated boxes")


def judge_bleu2(evidence: Evidence, demands: Demands) -> Finding:
    return _judge_ratio(evidence, "bleu2", demands.bleu2_share, "reference explanations")


def _judge_ratio(evidence: Evidence, metric: str, share: float, needed: str) -> Finding:
    title, build = COMPARED_METRICS[metric]
    pair, limit = evidence.pool("golden", "base"), demand_above(share)
    demand = f"{title}, over the champion's: above {share:g}"
    if not len(pair):
        return Finding(demand, limit, fault=_NO_SET)
    ours, theirs = build(pair.challenger), build(pair.champion)
    measured = measure_statistic(lambda weights: resampling.divide(ours(weights), theirs(weights)), len(pair))
    if measured is None:
        return Finding(demand, limit, fault=Fault(f"no image has {needed}; add some that have"), images=len(pair))
    detail = f"champion {_compute(theirs, pair):.3f}, challenger {_compute(ours, pair):.3f}"
    return Finding(demand, limit, measured, detail=detail)


def judge_unparsed(evidence: Evidence, demands: Demands) -> Finding:
    """Judge the challenger's answers about all sets."""
    limit = demand_at_most(demands.unparsed_at_most)
    demand = f"share of images with an unreadable answer: at most {limit.value:g}"
    ours = evidence.pool(*SET_NAMES).challenger
    if not ours:
        return Finding(demand, limit, fault=_NO_SET)
    unparsed = 1 - metrics.mark_parsed(ours)
    return Finding(demand, limit, measure_share(unparsed), detail=f"{int(unparsed.sum())} of {len(ours)}")


def judge_ece(evidence: Evidence, demands: Demands) -> Finding:
    return _judge_calibration(
        evidence, demands, "calibration error", demands.ece_may_rise, calibration_metrics.build_ece
    )


def judge_brier(evidence: Evidence, demands: Demands) -> Finding:
    return _judge_calibration(evidence, demands, "Brier score", demands.brier_may_rise, calibration_metrics.build_brier)


def _judge_calibration(
    evidence: Evidence,
    demands: Demands,
    title: str,
    may_rise: float,
    build: Callable[[ScoredPredictions], Statistic],
) -> Finding:
    pair, limit = evidence.pair("golden"), demand_at_most(may_rise)
    demand = f"{title} on the golden set: difference at most {may_rise:+g}"
    if fault := pair.find_fault(TITLES["golden"], "--golden", demands.images_of_each_class):
        return Finding(demand, limit, fault=fault, images=len(pair))
    ours, theirs = (build(ScoredPredictions.build(side)) for side in (pair.challenger, pair.champion))
    measured = measure_statistic(resampling.subtract_paired(ours, theirs), len(pair))
    detail = f"champion {_compute(theirs, pair):.3f}, challenger {_compute(ours, pair):.3f}"
    return Finding(demand, limit, measured, detail=detail)


def _compute(statistic: Statistic, pair: Pair) -> float:
    """Return the statistic over all images, each counted once."""
    return float(statistic(np.ones((1, len(pair))))[0])
