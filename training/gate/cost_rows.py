"""The rows about cost: seconds of an image, and bytes that the engine needs."""

import numpy as np

from training.common.resampling import Floats, Statistic
from training.gate.bounds import measure_statistic
from training.gate.demands import Demands
from training.gate.evidence import Evidence, Fault
from training.gate.findings import Finding, demand_at_most


def judge_latency(evidence: Evidence, demands: Demands) -> Finding:
    """Judge the median, over the same images, of our seconds over theirs: a few slow moments decide nothing."""
    limit = demand_at_most(demands.latency_factor)
    demand = f"seconds of an image, over the champion's: at most {limit.value:g}"
    timed = [
        (theirs, ours)
        for theirs, ours in zip(evidence.champion.latencies_s, evidence.challenger.latencies_s, strict=True)
        if theirs and ours
    ]
    if not timed:
        return Finding(demand, limit, fault=Fault("no image was timed; name a golden set with --golden"))
    ratios = np.array([ours / theirs for theirs, ours in timed])
    measured = measure_statistic(build_median(ratios), len(timed))
    theirs, ours = (float(np.median(seconds)) for seconds in zip(*timed, strict=True))
    return Finding(demand, limit, measured, detail=f"median of the champion {theirs:.3f} s, challenger {ours:.3f} s")


def judge_memory(evidence: Evidence, demands: Demands) -> Finding:
    """Judge the bytes that the engine needs for each model, which are counted from their configurations."""
    limit = demand_at_most(demands.memory_factor)
    theirs, ours = evidence.champion.memory_bytes, evidence.challenger.memory_bytes
    demand = f"bytes that the engine needs, over the champion's: at most {limit.value:g}"
    detail = f"champion {theirs / 2**20:,.0f} MiB, challenger {ours / 2**20:,.0f} MiB"
    return Finding(demand, limit, number=ours / theirs, detail=detail)


def build_median(values: Floats) -> Statistic:
    """Build the weighted median: the first value, in rising order, up to which half of the weight lies."""
    order = np.argsort(values)

    def compute(weights: Floats) -> Floats:
        summed = np.cumsum(weights[:, order], axis=1)
        first = (summed >= summed[:, -1:] / 2).argmax(axis=1)
        found: Floats = values[order][first]
        return found

    return compute
