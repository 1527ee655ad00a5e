"""A shadow pool beside a worker, and the events of a bad revision judged again, through the command line."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.wire.messages import VerdictEvent
from tests.support.builders import build_noise, build_notification, encode_image
from tests.support.processes.worker_process import STANDIN, WorkerProcess
from tests.support.registries import write_checkpoint
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site
from training.__main__ import main

EVENTS = 20
TIMEOUT_S = 600.0
SHIFTED = '{"calibration": {"temperature": 1.0, "bias": 20.0}}'
"""a card by which everything is generated"""

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


class Models:
    def __init__(self, directory: Path) -> None:
        good = write_checkpoint(directory / "good" / "tiny")
        bad = write_checkpoint(directory / "bad" / "tiny", card=SHIFTED)
        self.good, self.good_revision, self.bad, self.bad_revision = good.path, good.revision, bad.path, bad.revision


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def site(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path: Path, models: Models) -> Site:
    site = Site(kafka, seaweedfs, tmp_path, settings={"ZOOMIN_ENGINE__MODEL": str(models.bad)})
    for number in range(EVENTS):
        site.upload(f"{number}.png", encode_image(build_noise(seed=number), "PNG"))
    return site


def run(site: Site, *command: str) -> list[str]:
    finished = subprocess.run(
        [sys.executable, "-m", *command],
        env=site.process_environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def wait_for_outcomes(worker: WorkerProcess, count: int, *outcomes: str) -> dict[str, float]:
    """Wait until the worker has closed `count` entries; return how many with each outcome."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        lines = [line.split() for line in worker.get("/metrics").splitlines()]
        found = dict.fromkeys(outcomes, 0.0)
        found |= {
            name: float(line[1])
            for line in lines
            for name in outcomes
            if line and line[0] == f'zoomin_events_total{{outcome="{name}"}}'
        }
        if sum(found.values()) >= count:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def latest_by_event(verdicts: list[VerdictEvent]) -> dict[str, VerdictEvent]:
    return {verdict.event_id: verdict for verdict in sorted(verdicts, key=lambda verdict: verdict.decided_at)}


def test_a_shadow_pool_is_compared_and_a_bad_revision_is_judged_again(
    site: Site,
    models: Models,
    kafka: KafkaForTests,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = [f"{number}.png" for number in range(EVENTS)]
    site.send(build_notification(*((site.bucket, key) for key in keys[:5])))
    site.send(*({"url": f"s3://{site.bucket}/{key}", "id": f"event-{key}"} for key in keys[5:]))
    shadow = {
        "ZOOMIN_KAFKA__GROUP_ID": f"shadow-{site.images}",
        "ZOOMIN_KAFKA__VERDICT_TOPIC": kafka.create_topic("shadow"),
        "ZOOMIN_KAFKA__DEAD_LETTER_TOPIC": kafka.create_dead_letter_topic("shadow.dlt"),
        "ZOOMIN_FLOW__FRACTION": "0.5",
        "ZOOMIN_ENGINE__MODEL": str(models.good),
    }
    with (
        site.build_worker(*STANDIN) as champion,
        WorkerProcess(STANDIN, site.environment | shadow, tmp_path) as challenger,
    ):
        closed = wait_for_outcomes(challenger.wait_until_started(), EVENTS, "verdict", "left_out")
        champion.wait_until_started()
        site.wait_for_answers(EVENTS, TIMEOUT_S)
        assert (champion.stop(), challenger.stop()) == (0, 0)
    assert 0 < closed["verdict"] < EVENTS

    topics = ["--champion-topic", site.verdict_topic, "--challenger-topic", shadow["ZOOMIN_KAFKA__VERDICT_TOPIC"]]
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    assert main(["shadow", *topics, "--cards", "0", "--out", str(tmp_path / "report"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["joined"] == closed["verdict"]
    assert report["only_champion"] == closed["left_out"]
    assert report["flips"]["to_real"] > 0 == report["flips"]["to_generated"]

    site.settings["ZOOMIN_ENGINE__MODEL"] = str(models.good)
    with site.build_worker(*STANDIN) as rolled_back:
        rolled_back.wait_until_started()
        site.send({"url": f"s3://{site.bucket}/{keys[0]}", "id": "after"})
        site.wait_for_answers(EVENTS + 1, TIMEOUT_S)
        rejudge = ("worker", "rejudge", "--revision", models.bad_revision, "--json")
        assert json.loads(run(site, *rejudge)[-1])["sent"] == EVENTS
        site.wait_for_answers(2 * EVENTS + 1, TIMEOUT_S)
        again = json.loads(run(site, *rejudge)[-1])
        assert (again["sent"], again["judged_again"]) == (0, EVENTS)
        assert rolled_back.stop() == 0
    verdicts = site.read_verdicts()
    latest = latest_by_event(verdicts)
    assert len(verdicts) == 2 * EVENTS + 1
    assert len(latest) == EVENTS + 1
    assert {verdict.model.revision for verdict in latest.values()} == {models.good_revision}
    assert len({verdict.verdict_id for verdict in verdicts}) == 2 * EVENTS + 1
    assert {(verdict.event_id, verdict.image.sha256) for verdict in verdicts} == {
        (verdict.event_id, verdict.image.sha256) for verdict in latest.values()
    }
    assert not site.read_dead_letters()
