"""One fault at a time on real processes, and what the worker makes of it while it lasts."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders import encoded, noise
from tests.chaos import topics
from tests.chaos.judge import judge
from tests.chaos.pool import Pool
from tests.chaos.schedule import SESSION_TIMEOUT_S
from tests.chaos.sender import Sender, planned
from tests.chaos.store_front import BUSY, DENIED, EXPIRED, SICK, store_front
from tests.services import KafkaForTests, S3ForTests, eventually
from tests.site import Site, headers
from tests.worker_process import STANDIN, WorkerProcess
from worker.local import SeaweedFs
from worker.local_s3 import identities

pytestmark = [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"), pytest.mark.timeout(240)]

SETTINGS = {
    "ZOOMIN_KAFKA__SESSION_TIMEOUT_S": f"{SESSION_TIMEOUT_S:g}",
    "ZOOMIN_FLOW__MAX_IN_FLIGHT": "8",
    "ZOOMIN_RETRY__ATTEMPTS": "3",
    "ZOOMIN_RETRY__MAX_WAIT_S": "1",
}


@pytest.fixture
def site(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path: Path) -> Site:
    return Site(kafka, seaweedfs, tmp_path, partitions=3, settings=dict(SETTINGS))


def metric(worker: WorkerProcess, name: str) -> float:
    """The sum over its labels."""
    lines = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", worker.get("/metrics"), re.MULTILINE)
    return sum(map(float, lines))


def send(site: Site, *keys: str, times: int = 1) -> None:
    site.send(
        *(
            {"schema_version": 1, "url": f"s3://{site.bucket}/{key}", "id": f"{key}-{n}"}
            for n in range(times)
            for key in keys
        )
    )


@dataclass(frozen=True)
class Illness:
    """Of the S3 of `site`, which is well until it `begins` and again once it has `ended`."""

    site: Site
    begins: Callable[[], object]
    ended: Callable[[], object]


@pytest.fixture(params=["away", "busy", "expired", "revoked"])
def illness(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[Illness]:
    with ExitStack() as stack:
        if request.param in ("busy", "expired"):
            front = stack.enter_context(store_front(site.s3.endpoint_url))
            site.settings["ZOOMIN_STORE__ENDPOINT_URL"] = front.url
            refusal = BUSY if request.param == "busy" else EXPIRED
            yield Illness(site, lambda: front.refused.update({"/": refusal}), front.refused.clear)
            return
        own = SeaweedFs(tmp_path / "s3").start()
        stack.callback(own.stop)
        store = S3ForTests(own.endpoint_url, access_key=own.access_key, secret_key=own.secret_key)
        stack.callback(store.client.close)
        site = Site(site.kafka, store, tmp_path, partitions=3, settings=dict(SETTINGS))
        if request.param == "away":
            yield Illness(site, own.stop, own.start)
        else:
            yield Illness(site, lambda: _expect(own, "another-key"), lambda: _expect(own, own.secret_key))


def _expect(weed: SeaweedFs, secret_key: str) -> None:
    """It reads its users anew; the worker goes on with the key it has."""
    (weed.server.directory / "s3.json").write_text(identities(weed.access_key, secret_key))
    weed.server.process.send(signal.SIGHUP)


def test_while_the_store_serves_nobody_slots_fill_and_nothing_is_dead_lettered(illness: Illness) -> None:
    site = illness.site
    site.settings["ZOOMIN_RETRY__PATIENCE_S"] = "2"
    site.upload("a.png", encoded(noise(), "PNG"))
    with site.worker(*STANDIN) as worker:
        worker.started()
        send(site, "a.png")
        site.answered(1)
        illness.begins()
        send(site, "a.png", times=60)
        assert eventually(lambda: metric(worker, "zoomin_in_flight") == 8, within_s=20)
        assert eventually(lambda: metric(worker, "zoomin_outage") >= 1)
        assert eventually(lambda: metric(worker, "zoomin_paused") > 0)
        before = metric(worker, "zoomin_rebalances_total")
        time.sleep(SESSION_TIMEOUT_S + 1)  # longer than patience, and than the group waits for a silent member
        assert metric(worker, "zoomin_rebalances_total") == before
        assert "ok" in worker.get("/livez")
        assert (len(site.verdicts()), site.dead_letters()) == (1, [])
        illness.ended()
        verdicts, letters = site.answered(61)
        assert metric(worker, "zoomin_outage") == 0
    assert letters == []
    assert len(verdicts) == 61


def test_one_denied_and_one_sick_object_are_dead_letters_and_the_healthy_ones_go_on(site: Site) -> None:
    for key in ("denied.png", "sick.png", "slow.png", "a.png", "b.png"):
        site.upload(key, encoded(noise(), "PNG"))
    with store_front(site.s3.endpoint_url) as front, ExitStack() as stack:
        front.refused |= {f"/{site.bucket}/denied.png": DENIED, f"/{site.bucket}/sick.png": SICK}
        front.trickling.add(f"/{site.bucket}/slow.png")
        site.settings |= {
            "ZOOMIN_STORE__ENDPOINT_URL": front.url,
            "ZOOMIN_STORE__TOTAL_TIMEOUT_S": "3",
            "ZOOMIN_RETRY__PATIENCE_S": "3",
        }
        worker = stack.enter_context(site.worker(*STANDIN)).started()
        send(site, "denied.png", "sick.png", "slow.png")
        send(site, "a.png", "b.png", times=20)
        verdicts, letters = site.answered(43)
        assert worker.stop() == 0
    codes = {h["zoomin-event-id"]: h["zoomin-dlt-code"] for h in map(headers, letters)}
    assert codes == {
        "denied.png-0": "image_denied",
        "sick.png-0": "store_unavailable",
        "slow.png-0": "store_unavailable",
    }
    assert len(verdicts) == 40


def test_a_labeling_bucket_that_does_not_answer_holds_up_no_verdict(site: Site) -> None:
    labels = site.s3.bucket("labels")
    site.upload("a.png", encoded(noise(), "PNG"))
    with store_front(site.s3.endpoint_url) as front, ExitStack() as stack:
        front.stuck.add(f"/{labels}")
        site.settings |= {
            "ZOOMIN_STORE__ENDPOINT_URL": front.url,
            "ZOOMIN_SAMPLING__BUCKET": labels,
            "ZOOMIN_SAMPLING__CONTROL_FRACTION": "1",
        }
        worker = stack.enter_context(site.worker(*STANDIN)).started()
        began = time.monotonic()
        send(site, "a.png", times=150)
        verdicts, letters = site.answered(150)
        took_s = time.monotonic() - began
        failures = metric(worker, "zoomin_label_write_failures_total")
        worker.signal(signal.SIGKILL)
    assert (len(verdicts), letters) == (150, [])
    assert failures >= 100
    assert took_s < 30, "150 writes of 2 s in 8 slots would take 37 s"


def test_a_member_that_slept_past_its_session_drops_what_it_had_and_rejoins(site: Site) -> None:
    site.upload("a.png", encoded(noise(), "PNG"))
    slow = (*STANDIN, "--delay-s", "0.4")
    with site.worker(*slow) as sleeper, site.worker(*slow) as other:
        sleeper.started()
        other.started()
        assert eventually(lambda: _moves(sleeper, "assigned") and _moves(other, "assigned"), within_s=20)
        send(site, "a.png", times=60)
        assert eventually(lambda: metric(sleeper, "zoomin_in_flight") > 0)
        sleeper.signal(signal.SIGSTOP)
        time.sleep(SESSION_TIMEOUT_S + 2)
        sleeper.signal(signal.SIGCONT)
        assert eventually(lambda: _moves(sleeper, "lost"), within_s=20), "it did not notice that it was fenced"
        assert eventually(
            lambda: {v.event_id for v in site.verdicts()} == {f"a.png-{n}" for n in range(60)}, within_s=30
        )
        assert eventually(lambda: _moves(sleeper, "assigned")[-1] >= _moves(sleeper, "lost")[0], within_s=20)
        assert site.dead_letters() == []
        assert (sleeper.stop(), other.stop()) == (0, 0)


def test_a_rolling_restart_of_three_workers_loses_nothing_and_leaves_no_gap(site: Site) -> None:
    events = planned(site, 150, seed=5)
    pool = Pool(lambda: site.worker(*STANDIN, "--delay-s", "0.05"), size=3)
    try:
        with closing(Sender(site, events, over_s=15)) as sender:
            sender.start()
            for slot in range(3):
                pool.stop(slot)
                pool.replace(slot)
            sent = sender.sent()
            site.answered(150)
            pool.stop_all()
        commits = topics.commits(site.kafka, site.environment["ZOOMIN_KAFKA__GROUP_ID"], site.images)
        judgement = judge(sent, topics.answers(site), commits)
    finally:
        pool.end()
    assert judgement.broken(silence_limit_s=10) == []
    assert pool.ended_badly == []
    assert judgement.repeats <= 2 * 8, "at most what was under way where partitions moved"


def _moves(worker: WorkerProcess, kind: str) -> list[int]:
    """Which lines of its log say that partitions were assigned, revoked or lost."""
    return [number for number, line in enumerate(worker.lines()) if line.get(kind)]
