"""Rights on our topics that Kafka denies: before the start they are named, later they are waited for."""

from pathlib import Path

import pytest

from pipeline.errors import FatalError
from tests.support.builders import build_noise, encode_image
from tests.support.processes.worker_process import STANDIN, WorkerProcess
from tests.support.servers.secured import SecuredKafka
from tests.support.servers.services import S3ForTests, eventually
from tests.support.site import Site
from worker.common.settings import Settings, load_settings
from worker.kafka.client import check_topics

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def site(secured_kafka: SecuredKafka, seaweedfs: S3ForTests, tmp_path: Path) -> Site:
    settings = secured_kafka.build_password_settings() | {"ZOOMIN_RETRY__PATIENCE_S": "1"}
    return Site(secured_kafka.kafka, seaweedfs, tmp_path, settings=settings)


def read_settings(site: Site, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_a_missing_right_is_named_before_an_event_is_read(
    secured_kafka: SecuredKafka, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings(site, monkeypatch).kafka
    check_topics(settings)
    for right, topic in (
        ("READ", settings.input_topic),
        ("WRITE", settings.verdict_topic),
        ("WRITE", settings.dead_letter_topic),
    ):
        with secured_kafka.deny(right, topic):
            assert eventually(lambda: right in find_problem(settings), within_s=10)  # noqa: B023 - called at once
            assert topic in find_problem(settings)


def find_problem(settings: object) -> str:
    try:
        check_topics(settings)  # type: ignore[arg-type]
    except FatalError as error:
        return error.detail
    return ""


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_a_right_that_is_withdrawn_later_costs_no_event(secured_kafka: SecuredKafka, site: Site, delivery: str) -> None:
    site.settings["ZOOMIN_KAFKA__DELIVERY"] = delivery
    url = site.upload("a.png", encode_image(build_noise(), "PNG"))
    with site.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        send(site, url, "before")
        site.wait_for_answers(1)
        with secured_kafka.deny("WRITE", site.verdict_topic):
            send(site, url, *(f"denied-{number}" for number in range(5)))
            assert eventually(lambda: is_out(worker), within_s=60)
            began = next(line for line in worker.read_log() if line["event"] == "outage_began")
            assert "TopicAuthorizationFailed" in str(began["detail"])
            if delivery == "at_least_once":  # each of the five is refused for longer than its patience
                assert eventually(lambda: read_metric(worker, 'zoomin_retries_total{dependency="verdict topic"}') > 25)
            assert sum(site.read_committed_offsets().values()) <= len(site.read_verdicts()) == 1
        verdicts, letters = site.wait_for_answers(6)
        assert eventually(lambda: not is_out(worker), within_s=60)
        assert worker.stop() == 0
    assert letters == []
    assert {verdict.event_id for verdict in verdicts} == {"before", *(f"denied-{number}" for number in range(5))}


def send(site: Site, url: str, *ids: str) -> None:
    site.send(*({"schema_version": 1, "url": url, "id": identity} for identity in ids))


def is_out(worker: WorkerProcess) -> bool:
    return read_metric(worker, "zoomin_outage{") > 0


def read_metric(worker: WorkerProcess, name: str) -> float:
    """Return the sum of the samples whose lines begin with `name`."""
    lines = worker.get("/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))
