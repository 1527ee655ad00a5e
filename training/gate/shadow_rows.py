"""The row about live traffic: in a shadow run beside the champion, few verdicts differ."""

from training.gate.bounds import measure_count
from training.gate.demands import Demands
from training.gate.evidence import Evidence, Fault
from training.gate.findings import Finding, demand_at_most


def judge_shadow(evidence: Evidence, demands: Demands) -> Finding:
    """Judge the share of events on which both pools differ; without a demand of a shadow run the row holds."""
    if demands.shadow is None:
        return Finding("verdicts that flip on live traffic: no shadow run is demanded", demand_at_most(1), is_void=True)
    hours, limit = demands.shadow.hours, demand_at_most(demands.shadow.max_flips)
    demand = f"verdicts that flip on live traffic, over {hours:g} hours or more: at most {limit.value:g}"
    shadow = evidence.shadow
    if shadow is None:
        return Finding(demand, limit, fault=Fault("there is no shadow run; name its report with --shadow"))
    if shadow.fault:
        return Finding(demand, limit, fault=Fault(shadow.fault))
    if shadow.hours < hours:
        return Finding(demand, limit, fault=Fault(f"both judged {shadow.hours:g} hours of traffic"))
    detail = f"{shadow.flips} of {shadow.events} events over {shadow.hours:g} hours"
    return Finding(demand, limit, measure_count(shadow.flips, shadow.events), detail=detail)
