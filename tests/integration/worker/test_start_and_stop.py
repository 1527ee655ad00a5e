"""A worker that is asked to stop while it starts, one that stops under load, and one that a bug ends."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from pipeline.sandbox.confinement import LAYERS
from tests.support.paths import MODEL
from tests.support.processes.worker_process import REAL, STANDIN, WorkerProcess
from tests.support.servers.services import KafkaForTests, S3ForTests, eventually
from tests.support.site import Site

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

LARGE_BYTES = 60 << 30
"""of weights, without taking a byte of the disk: hashing them takes minutes"""
PROMPTLY_S = 20.0
"""and not minutes, on a machine that others keep busy"""
CLOSE_S = 60.0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A checkpoint of the test's own."""
    directory = tmp_path / "model"
    directory.mkdir()
    for file in MODEL.iterdir():
        (directory / file.name).symlink_to(file)
    return directory


@pytest.fixture
def nowhere(model: Path) -> dict[str, str]:
    """Settings of a worker that ends before it reaches any service."""
    return {
        "ZOOMIN_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "ZOOMIN_STORE__BUCKETS": "uploads",
        "ZOOMIN_ENGINE__MODEL": str(model),
        "ZOOMIN_PORT": "logged before the weights are hashed",
    }


def test_a_stop_does_not_wait_for_the_weights_to_be_hashed(
    nowhere: dict[str, str], model: Path, tmp_path: Path
) -> None:
    with (model / "large.safetensors").open("wb") as weights:
        os.truncate(weights.fileno(), LARGE_BYTES)
    with WorkerProcess(REAL, nowhere, tmp_path) as worker:
        worker.wait_for_log("setting_ignored", 120)
        worker.signal(signal.SIGTERM)
        assert worker.wait_until_ended(PROMPTLY_S) == 0


def test_a_start_says_what_confines_the_decoders(nowhere: dict[str, str], tmp_path: Path) -> None:
    with WorkerProcess(REAL, nowhere, tmp_path) as worker:
        line = worker.wait_for_log("decoder_confined", 120)
        assert {*line["holding"], *line["refused"]} == set(LAYERS)


def test_a_stop_that_comes_before_anything_is_imported_is_not_lost(nowhere: dict[str, str], tmp_path: Path) -> None:
    with WorkerProcess(REAL, nowhere, tmp_path) as worker:
        assert eventually(lambda: _is_sigterm_blocked(worker.pid))
        worker.signal(signal.SIGTERM)
        assert worker.wait_until_ended() == 0


def _is_sigterm_blocked(pid: int) -> bool:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    return bool(int(status["SigBlk"], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_bug_on_the_way_up_is_one_sentence_and_its_traceback_is_in_the_log(
    nowhere: dict[str, str], model: Path, tmp_path: Path
) -> None:
    (model / "strange.json").mkdir()  # what the reader of a checkpoint does not expect
    with WorkerProcess(REAL, nowhere, tmp_path) as worker:
        assert worker.wait_until_ended() == 1
        lines = worker.log.read_text().splitlines()
        (failed,) = [line for line in worker.read_log() if line["event"] == "worker_failed"]
    assert failed["code"] == "internal_fault"
    assert "IsADirectoryError" in failed["exception"]
    assert lines[-1].startswith("zoomin run: a bug of ours ended the worker (IsADirectoryError")
    assert not any(line.startswith("Traceback") for line in lines)


@pytest.fixture
def site(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path: Path) -> Site:
    return Site(kafka, seaweedfs, tmp_path)


@pytest.fixture
def admin(kafka: KafkaForTests) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as client:
        yield client


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_the_group_is_left_before_the_engine_is_closed(site: Site, admin: KafkaAdminClient, delivery: str) -> None:
    site.settings |= {"ZOOMIN_KAFKA__DELIVERY": delivery, "ZOOMIN_KAFKA__SESSION_TIMEOUT_S": f"{2 * CLOSE_S:g}"}
    group = site.environment["ZOOMIN_KAFKA__GROUP_ID"]

    def count_members() -> int:
        return len(admin.describe_groups([group])[group]["members"])

    with site.build_worker(*STANDIN, "--close-s", f"{CLOSE_S:g}") as worker:
        worker.wait_until_started()
        assert eventually(lambda: count_members() == 1)
        worker.signal(signal.SIGTERM)
        assert eventually(lambda: count_members() == 0)
        assert worker.running, "its engine is still closing"
