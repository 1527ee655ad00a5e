import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from pipeline.errors import BadSettings
from worker.observe.health import HealthServer


class Problems:
    live: str | None = None
    ready: str | None = None


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def server(problems: Problems) -> Iterator[HealthServer]:
    registry = CollectorRegistry()
    Counter("zoomin_events", "Events.", registry=registry).inc(3)
    with HealthServer(
        "127.0.0.1", 0, live=lambda: problems.live, ready=lambda: problems.ready, registry=registry
    ) as running:
        yield running


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_well_is_200_and_a_problem_is_503_with_its_sentence(
    server: HealthServer, problems: Problems, path: str
) -> None:
    assert get(server, path) == (200, "ok\n")
    problems.live = problems.ready = "the engine is dead"
    assert get(server, path) == (503, "the engine is dead\n")


def test_metrics_are_ours_and_those_of_the_default_registry(server: HealthServer) -> None:
    status, text = get(server, "/metrics")
    assert status == 200
    assert "zoomin_events_total 3.0" in text
    assert "python_info" in text


def test_other_paths_name_those_there_are(server: HealthServer) -> None:
    status, text = get(server, "/")
    assert status == 404
    assert "/livez" in text


def test_a_taken_port_names_the_setting(server: HealthServer) -> None:
    with pytest.raises(BadSettings, match="ZOOMIN_TELEMETRY__HTTP_PORT"):
        HealthServer("127.0.0.1", server.port, live=lambda: None, ready=lambda: None, registry=CollectorRegistry())
