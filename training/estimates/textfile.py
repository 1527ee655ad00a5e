"""Metrics of a report for node_exporter's textfile collector; the file is replaced as a whole."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from training.estimates.divergence import DriftLevel
from training.evaluation.summary import Json

ALL = "all"


class EstimateMetrics:
    """Metrics with one line of meaning each. `group` and `source` are `all`, or one of those that were asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.timestamp = self._add("estimate_timestamp_seconds", "when the report was made")
        self.value = self._add("estimate_value", "estimate on live traffic", "quantity", "group")
        self.low = self._add("estimate_low", "lower bound of its 95 % interval", "quantity", "group")
        self.high = self._add("estimate_high", "upper bound of its 95 % interval", "quantity", "group")
        self.effective = self._add("estimate_effective_cases", "its effective sample size", "quantity", "group")
        self.labeled = self._add("estimate_labeled_cases", "decided cases that it is about", "quantity", "group")
        self.cases = self._add("estimate_cases", "sampled cases by the state of their labels", "state")
        self.response = self._add("estimate_response_ratio", "share of the sampled cases that annotators looked at")
        self.left_out = self._add("estimate_left_out_objects", "objects of the bucket that enter no estimate", "reason")
        self.psi = self._add("drift_psi", "population stability index against the reference", "feature", "source")
        self.noise = self._add("drift_psi_noise", "index that chance hardly exceeds", "feature", "source")
        self.js = self._add("drift_js_bits", "Jensen-Shannon divergence from the reference", "feature", "source")
        self.level = self._add(
            "drift_level", "-1 too few verdicts, 0 steady, 1 to be looked at, 2 moved", "feature", "source"
        )
        self.verdicts = self._add("drift_verdicts", "verdicts that were compared", "window")
        self.skipped = self._add("drift_skipped_lines", "lines that were no verdicts")

    def _add(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, namespace="zoomin", registry=self.registry)


def write_textfile(path: Path, report: Json) -> None:
    """Write the metrics of a report; a quantity without a number has no sample."""
    metrics = EstimateMetrics()
    metrics.timestamp.set_to_current_time()
    if report["estimates"]:
        _set_estimates(metrics, report)
    if report["drift"]:
        _set_drift(metrics, report["drift"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), metrics.registry)


def _set_estimates(metrics: EstimateMetrics, report: Json) -> None:
    estimates = report["estimates"]
    counts = dict(estimates["cases"])
    counts.pop("sampled")
    metrics.response.set(counts.pop("response_rate") or 0)
    for state, count in counts.items():
        metrics.cases.labels(state).set(count)
    for reason, count in estimates["left_out"].items():
        metrics.left_out.labels(reason).set(count)
    groups = estimates["groups"][report["by"]] if report["by"] else {}
    parts = {ALL: estimates} | {_name_group(name): part for name, part in groups.items()}
    for group, part in parts.items():
        for name, quantity in part["quantities"].items():
            metrics.labeled.labels(name, group).set(quantity["n"])
            gauges = {"value": metrics.value, "low": metrics.low, "high": metrics.high, "effective": metrics.effective}
            for field, gauge in gauges.items():
                if quantity[field] is not None:
                    gauge.labels(name, group).set(quantity[field])


def _set_drift(metrics: EstimateMetrics, drift: Json) -> None:
    for window in ("reference", "window"):
        metrics.verdicts.labels(window).set(drift[window]["verdicts"])
    metrics.skipped.set(sum(drift["skipped"].values()))
    for scope in drift["scopes"]:
        if scope["day"] is None:
            for feature, numbers in scope["features"].items():
                labels = feature, _name_group(scope["source"]) if scope["source"] else ALL
                metrics.psi.labels(*labels).set(numbers["psi"])
                metrics.noise.labels(*labels).set(numbers["noise"])
                metrics.js.labels(*labels).set(numbers["js"])
                metrics.level.labels(*labels).set(DriftLevel[numbers["level"].upper()])


def _name_group(name: str) -> str:
    """Name a group, but not like the total: senders choose the names of sources."""
    return f"{ALL} (source)" if name == ALL else name
