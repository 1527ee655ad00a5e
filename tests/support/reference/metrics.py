"""Build the page of the metrics and log events from the telemetry module."""

import re

from prometheus_client.metrics import MetricWrapperBase

from tests.support.reference.markdown import NOTE, join, table, wrap
from training.estimates.textfile import EstimateMetrics
from worker.observe import telemetry


def build_metrics_page() -> str:
    log_events = sorted(
        value
        for name, value in vars(telemetry).items()
        if name.isupper() and isinstance(value, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", value)
    )
    return join(
        [
            "# Metrics and log events\n",
            NOTE,
            wrap(
                "The worker serves them on `/metrics` in Prometheus's format, beside the families of vLLM (`vllm:*`). "
                "[The runbook](../runbook.md) says which of them to look at for each symptom."
            ),
            _list_metrics(telemetry.Metrics()),
            f"Buckets of the histograms, in seconds: {', '.join(f'{bound:g}' for bound in telemetry.SECONDS)}.\n",
            f"Values of the label `stage`: {', '.join(f'`{stage}`' for stage in telemetry.STAGES)}.\n",
            "## Estimates and drift\n",
            wrap(
                "`zoomin-train estimate --textfile FILE` writes these for node_exporter's textfile collector. `group` "
                "is `all` or a group of `--by`, `source` is `all` or a source. A quantity about fewer than 30 cases "
                "has no sample."
            ),
            _list_metrics(EstimateMetrics()),
            "## Log events\n",
            wrap(
                "Logs are JSON, one object a line, with one of these names in the field `event`. Each image event "
                "that is answered has one line, `event_judged` or `event_dead_lettered`, with all its facts. No line "
                "holds an explanation, a query string or pixels."
            ),
            "\n".join(f"- `{name}`" for name in log_events) + "\n",
        ]
    )


def _list_metrics(owner: object) -> str:
    rows = (
        (
            f"`{metric._name}{'_total' if metric._type == 'counter' else ''}`",
            metric._type,
            ", ".join(f"`{label}`" for label in metric._labelnames),
            metric._documentation,
        )
        for metric in vars(owner).values()
        if isinstance(metric, MetricWrapperBase)
    )
    return table(("metric", "type", "labels", "meaning"), rows)
