"""Median, spread and targets of repeated measurements. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """Median and spread of `n` repeats."""

    median: float
    min: float
    max: float
    n: int

    @classmethod
    def summarize(cls, values: Sequence[float]) -> "Metric":
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for the median, from above or from below."""

    bound: float
    below: bool = False

    def is_met(self, metric: Metric) -> bool:
        return metric.median <= self.bound if self.below else metric.median >= self.bound

    def __str__(self) -> str:
        return f"{'<=' if self.below else '>='} {self.bound:g}"


TARGETS = {
    "own_cpu_ms_per_event": Target(20, below=True),
    "worker_over_gpu_pace_30": Target(0.97),
    "worker_over_gpu_pace_60": Target(0.90),
    "two_fronts_over_one": Target(1.8),
    "two_fronts_over_one_on_free_cores": Target(1.8),
    "worker_over_engine": Target(0.80),
    "worker_over_plain": Target(3),
    "reuse_over_no_reuse_c16": Target(0.85, below=True),
    "prefix_reused_exactly": Target(0.95),
    "encoder_runs_over_needed": Target(1, below=True),
    "evaluation_over_engine": Target(0.85),
    "rss_growth": Target(1.05, below=True),
    "recovery_s_384": Target(150, below=True),  # two restarts of 60 s and half a minute
    "own_cpu_ms_12mp": Target(10, below=True),  # on a machine on which 42e169b takes 65
    "own_cpu_ms_12mp_over_beside": Target(0.154, below=True),
    "events_per_s_12mp_over_beside": Target(2.5),
    "decode_ms_jpeg_512_over_beside": Target(1.05, below=True),
    "decode_ms_jpeg_12mp_over_beside": Target(1.05, below=True),
    "decode_ms_png_2mp_over_beside": Target(1.05, below=True),
    "own_events_per_s_over_beside": Target(0.95),
    "worker_over_server_client": Target(1.1),
    "worker_over_offline_batch": Target(1.05),
    "verdicts_equal_server_client": Target(0.99),
    "verdicts_equal_offline_batch": Target(0.99),
}


def compute_steady_rate(times_s: Sequence[float], *, ends: int) -> float:
    """Return completions per second without the first and last `ends`: start and run-out are no steady state.

    Raises: ValueError when nothing would be left between the ends.
    """
    middle = sorted(times_s)[ends : len(times_s) - ends]
    if len(middle) < 2 or middle[-1] <= middle[0]:
        raise ValueError(f"{len(times_s)} completions are too few to drop {ends} at each end")
    return (len(middle) - 1) / (middle[-1] - middle[0])


def format_metrics(metrics: Mapping[str, Metric]) -> str:
    """Return one line per metric, with its target where there is one."""
    width = max(map(len, metrics), default=0)
    lines = [f"{'':{width}}  {'median':>9} {'min':>9} {'max':>9} {'n':>3}  target"]
    for name, metric in metrics.items():
        target = TARGETS.get(name)
        verdict = "" if target is None else f"{target}  {'ok' if target.is_met(metric) else 'MISS'}"
        numbers = " ".join(f"{value:9.4g}" for value in (metric.median, metric.min, metric.max))
        lines.append(f"{name:{width}}  {numbers} {metric.n:3}  {verdict}".rstrip())
    return "\n".join(lines)
