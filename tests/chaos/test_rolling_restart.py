"""Brokers are updated one after the other while events flow: the workers notice, and nobody else."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos import topics
from tests.chaos.pool import Pool
from tests.chaos.progress import read_log_ends, wait_until_answered, wait_until_committed
from tests.chaos.schedule import SESSION_TIMEOUT_S
from tests.chaos.sender import Sender, planned
from tests.chaos.verification import verify
from tests.conftest import forget_data, present
from tests.support.processes.worker_process import STANDIN
from tests.support.servers.cluster import NODES, KafkaCluster
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site

pytestmark = [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"), pytest.mark.timeout(600)]

EVENTS = 300
OVER_S = 40.0
CRASHED = 1
"""which node goes by kill -9"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    started = present(KafkaCluster(tmp_path / "kafka").start)
    yield started
    started.end()
    for node in started.nodes:
        forget_data(node.server.directory)


def test_brokers_restarted_one_after_the_other_cost_no_event_and_leave_no_gap(
    cluster: KafkaCluster, seaweedfs: S3ForTests, tmp_path: Path
) -> None:
    settings = {"ZOOMIN_KAFKA__SESSION_TIMEOUT_S": f"{SESSION_TIMEOUT_S:g}", "ZOOMIN_FLOW__MAX_IN_FLIGHT": "8"}
    site = Site(KafkaForTests(cluster), seaweedfs, tmp_path, partitions=3, settings=settings)
    events = planned(site, EVENTS, seed=7)
    pool = Pool(lambda: site.build_worker(*STANDIN, "--delay-s", "0.05"), size=2)
    try:
        with closing(Sender(site, events, over_s=OVER_S)) as sender:
            sender.start()
            for number in range(NODES):
                cluster.restart(number, crash=number == CRASHED)
            sent = sender.sent()
            wait_until_answered(site, sent, silence_s=60)
            wait_until_committed(site, sent, silence_s=60)
            pool.stop_all()
        commits = topics.commits(site.kafka, site.environment["ZOOMIN_KAFKA__GROUP_ID"], site.images)
        verification = verify(sent, topics.answers(site), commits)
    finally:
        pool.end()
    broken = verification.broken(silence_limit_s=15)
    assert broken == [], f"{broken}{read_log_ends(site.directory)}"
    assert pool.ended_badly == []
