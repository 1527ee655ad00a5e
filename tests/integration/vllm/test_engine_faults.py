"""Tests pictures that end the engine, and queries that never end, among healthy ones.

Workers, supervisor, Kafka and S3 are real; only the engine's faults for these pictures are scripted.
"""

import re
from pathlib import Path
from urllib.error import HTTPError

import pytest

from pipeline import images
from pipeline.checkpoint import Checkpoint
from pipeline.verdict import RgbImage
from tests.support.builders import build_noise, encode_image
from tests.support.paths import MODEL
from tests.support.processes.worker_process import STANDIN, WorkerProcess
from tests.support.servers.services import KafkaForTests, S3ForTests, eventually
from tests.support.site import Site, decode_headers

pytestmark = pytest.mark.timeout(600)
HEALTHY = 40
BAD = build_noise(seed=666)
DIGEST = images.build_view(RgbImage(BAD, "png"), Checkpoint.read(MODEL).card.scan_max_pixels).sha256


@pytest.fixture
def site(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path: Path) -> Site:
    settings = {
        "ZOOMIN_ENGINE__QUERY_TIMEOUT_S": "2",
        "ZOOMIN_FLOW__MAX_IN_FLIGHT": "8",
        "ZOOMIN_RETRY__MAX_WAIT_S": "0.5",
    }
    site = Site(kafka, seaweedfs, tmp_path, settings=settings)
    site.upload("bad.png", encode_image(BAD, "PNG"))
    site.upload("a.png", encode_image(build_noise(), "PNG"))
    return site


def send(site: Site, *, bad: int) -> None:
    """Send the healthy events, with those of the bad picture in the middle of partition 0."""
    healthy = [build_event(site, "a.png", f"a-{number}") for number in range(HEALTHY)]
    ill = [build_event(site, "bad.png", f"bad-{number}") for number in range(bad)]
    middle = HEALTHY // 4
    for partition in range(site.partitions):
        mine = healthy[partition :: site.partitions]
        site.send(*mine[:middle], *(ill if partition == 0 else ()), *mine[middle:], partition=partition)


def build_event(site: Site, key: str, name: str) -> dict[str, object]:
    return {"schema_version": 1, "url": f"s3://{site.bucket}/{key}", "id": name}


def count_restarts(worker: WorkerProcess) -> float:
    (found,) = re.findall(r"^zoomin_engine_restarts_total (\S+)$", worker.get("/metrics"), re.MULTILINE)
    return float(found)


def is_ready(worker: WorkerProcess) -> bool:
    try:
        return "ok" in worker.get("/readyz")
    except HTTPError:
        return False


def have_one_partition_each(*workers: WorkerProcess) -> bool:
    """Return True if each worker has one partition: then none is moved and no event in flight is repeated."""
    return all(len(list_partitions(worker)) == 1 for worker in workers)


def list_partitions(worker: WorkerProcess) -> set[int]:
    partitions: set[int] = set()
    for line in worker.read_log():
        if line["event"] in ("partitions_assigned", "partitions_revoked"):
            partitions = (partitions - set(line["revoked"])) | set(line["assigned"])
    return partitions


def read_codes(site: Site) -> dict[str, str]:
    return {h["zoomin-event-id"]: h["zoomin-dlt-code"] for h in map(decode_headers, site.read_dead_letters())}


def is_all_committed(site: Site) -> bool:
    ends = dict.fromkeys(range(site.partitions), 0)
    for record in site.kafka.read_records(site.images):
        ends[record.partition] = record.offset + 1
    return site.read_committed_offsets() == ends


def test_the_picture_that_ends_the_engine_is_one_dead_letter_and_no_worker_of_the_pool_dies(site: Site) -> None:
    deadly = (*STANDIN, "--delay-s", "0.05", "--deadly", DIGEST)
    with site.build_worker(*deadly) as first, site.build_worker(*deadly) as second:
        first.wait_until_started()
        second.wait_until_started()
        assert eventually(lambda: have_one_partition_each(first, second))
        send(site, bad=1)
        verdicts, _ = site.wait_for_answers(HEALTHY + 1)
        assert read_codes(site) == {"bad-0": "engine_poison"}
        assert {v.event_id for v in verdicts} == {f"a-{n}" for n in range(HEALTHY)}
        assert eventually(
            lambda: count_restarts(first) + count_restarts(second) >= 2
        )  # the last letter goes out ahead of the engine
        assert sorted((count_restarts(first), count_restarts(second))) == [0, 2], "once with others, once alone"
        assert "ok" in first.get("/livez") + second.get("/livez")
        assert eventually(lambda: is_ready(first) and is_ready(second))
        assert (first.stop(), second.stop()) == (0, 0)
    assert is_all_committed(site)


def test_more_of_them_than_the_budget_holds_end_one_worker_after_another_until_each_is_a_dead_letter(
    site: Site,
) -> None:
    site.settings["ZOOMIN_ENGINE__RESTARTS"] = "2"
    send(site, bad=3)
    lives = 0
    while len(read_codes(site)) < 3:
        lives += 1
        assert lives <= 3, "a worker that ended left nothing for the next to go on from"
        # A start takes longer than a commit: what was dead-lettered before it is behind us after it.
        with site.build_worker(*STANDIN, "--delay-s", "0.05", "--start-s", "2", "--deadly", DIGEST) as worker:
            worker.wait_until_started()
            assert eventually(lambda: not worker.running or len(read_codes(site)) == 3, within_s=60)
            assert worker.stop() in (0, 1)
    assert read_codes(site) == {f"bad-{n}": "engine_poison" for n in range(3)}
    with site.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        everyone = {f"a-{n}" for n in range(HEALTHY)}
        assert eventually(lambda: {v.event_id for v in site.read_verdicts()} >= everyone, within_s=60)
        assert worker.stop() == 0
    assert is_all_committed(site)


def test_a_query_that_never_ends_while_others_do_costs_its_event_and_no_restart(site: Site) -> None:
    site.settings["ZOOMIN_RETRY__ATTEMPTS"] = "2"
    send(site, bad=1)
    send(site, bad=0)  # enough for others to be served all the time
    with site.build_worker(*STANDIN, "--delay-s", "0.3", "--endless", DIGEST) as worker:
        worker.wait_until_started()
        verdicts, _ = site.wait_for_answers(2 * HEALTHY + 1)
        assert read_codes(site) == {"bad-0": "inference_timeout"}
        assert len(verdicts) == 2 * HEALTHY
        assert count_restarts(worker) == 0
        assert worker.stop() == 0
    assert is_all_committed(site)


def test_a_query_that_never_ends_with_nobody_else_is_taken_for_the_engine_once_and_then_for_poison(site: Site) -> None:
    with site.build_worker(*STANDIN, "--endless", DIGEST) as worker:
        worker.wait_until_started()
        site.send(build_event(site, "bad.png", "bad-0"))
        site.wait_for_answers(1)
        assert read_codes(site) == {"bad-0": "engine_poison"}
        site.send(build_event(site, "a.png", "a-0"))
        verdicts, _ = site.wait_for_answers(2)
        assert [v.event_id for v in verdicts] == ["a-0"]
        assert count_restarts(worker) == 2
        assert worker.stop() == 0


def test_a_spent_budget_ends_the_worker_with_nothing_committed_past_what_is_unanswered(site: Site) -> None:
    site.settings["ZOOMIN_ENGINE__RESTARTS"] = "0"
    with site.build_worker(*STANDIN, "--delay-s", "0.05", "--deadly", DIGEST) as worker:
        worker.wait_until_started()
        send(site, bad=1)
        assert worker.wait_until_ended() == 1
        assert "0 are allowed" in worker.log.read_text()
    assert read_codes(site) == {}
    answered = {(v.record.partition, v.record.offset) for v in site.read_verdicts()}
    for partition, offset in site.read_committed_offsets().items():
        assert {(partition, n) for n in range(offset)} <= answered
