"""Mean seconds per stage between two readings of a worker's /metrics; pure."""

from prometheus_client.parser import text_string_to_metric_families

STAGE_SECONDS = "zoomin_stage_seconds"

Reading = dict[str, tuple[float, float]]
"""by stage: how often it was entered, and its seconds in all"""


def read(metrics: str) -> Reading:
    """The stages in a /metrics page."""
    totals: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(metrics):
        if family.name == STAGE_SECONDS:
            for sample in family.samples:
                if sample.name.endswith(("_count", "_sum")):
                    totals.setdefault(sample.labels["stage"], {})[sample.name.removeprefix(STAGE_SECONDS)] = (
                        sample.value
                    )
    return {stage: (total["_count"], total["_sum"]) for stage, total in totals.items()}


def means_ms(before: Reading, after: Reading) -> dict[str, float]:
    """Mean milliseconds in each stage, for what entered it in between."""
    means = {}
    for stage, (count, seconds) in after.items():
        count_before, seconds_before = before.get(stage, (0.0, 0.0))
        if count > count_before:
            means[stage] = 1000 * (seconds - seconds_before) / (count - count_before)
    return means
