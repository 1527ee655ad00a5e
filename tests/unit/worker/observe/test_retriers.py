from structlog.testing import capture_logs

from pipeline.errors import GenerationFailed, StoreUnavailable
from worker.common.sections import RetrySettings
from worker.observe import telemetry
from worker.observe.retriers import Retriers
from worker.observe.telemetry import Metrics


def value(metrics: Metrics, name: str, dependency: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"dependency": dependency})


async def test_a_retry_is_counted_under_the_name_of_its_dependency() -> None:
    metrics, failures = Metrics(), iter([GenerationFailed("a bad moment")])
    retriers = Retriers(RetrySettings(max_wait_s=0.01), metrics)

    async def ask() -> str:
        if error := next(failures, None):
            raise error
        return "answer"

    assert await retriers.build("engine").call(ask) == "answer"
    assert value(metrics, "zoomin_retries_total", "engine") == 1
    assert value(metrics, "zoomin_retries_total", "broker") is None


async def test_an_outage_is_a_flag_and_two_lines() -> None:
    metrics, refusals = Metrics(), iter([StoreUnavailable("away")] * 4)
    retriers = Retriers(RetrySettings(max_wait_s=0.01, patience_s=60), metrics)
    seen: list[float | None] = []

    async def fetch() -> str:
        seen.append(value(metrics, "zoomin_outage", "bucket uploads"))
        if error := next(refusals, None):
            raise error
        return "image"

    with capture_logs() as logs:
        assert await retriers.build("bucket uploads").call(fetch) == "image"
    assert 1.0 in seen
    assert value(metrics, "zoomin_outage", "bucket uploads") == 0
    began, ended = [line for line in logs if line["log_level"] == "warning"]
    assert (began["event"], began["code"], began["detail"]) == (telemetry.OUTAGE_BEGAN, "store_unavailable", "away")
    assert ended["event"] == telemetry.OUTAGE_ENDED
