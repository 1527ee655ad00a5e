"""Build the page of the metrics and log events from the telemetry module."""

import re

from prometheus_client.metrics import MetricWrapperBase

from tests.support.reference.markdown import NOTE, join, table, wrap
from worker.observe import telemetry


def build_metrics_page() -> str:
    metrics = [metric for metric in vars(telemetry.Metrics()).values() if isinstance(metric, MetricWrapperBase)]
    rows = (
        (
            f"`{metric._name}{'_total' if metric._type == 'counter' else ''}`",
            metric._type,
            ", ".join(f"`{label}`" for label in metric._labelnames),
            metric._documentation,
        )
        for metric in metrics
    )
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
            table(("metric", "type", "labels", "meaning"), rows),
            f"Buckets of the histograms, in seconds: {', '.join(f'{bound:g}' for bound in telemetry.SECONDS)}.\n",
            f"Values of the label `stage`: {', '.join(f'`{stage}`' for stage in telemetry.STAGES)}.\n",
            "## Log events\n",
            wrap(
                "Logs are JSON, one object a line, with one of these names in the field `event`. Each image event "
                "that is answered has one line, `event_judged` or `event_dead_lettered`, with all its facts. No line "
                "holds an explanation, a query string or pixels."
            ),
            "\n".join(f"- `{name}`" for name in log_events) + "\n",
        ]
    )
