"""One fault at a time on real processes, and what the worker makes of it while it lasts."""

import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.chaos import topics
from tests.chaos.pool import Pool
from tests.chaos.progress import wait_until_answered, wait_until_committed
from tests.chaos.schedule import SESSION_TIMEOUT_S
from tests.chaos.sender import Sender, planned
from tests.chaos.store_front import BUSY, DENIED, EXPIRED, SICK, store_front
from tests.chaos.verification import verify
from tests.support.builders import build_noise, encode_image
from tests.support.processes.worker_process import STANDIN, WorkerProcess
from tests.support.servers.services import KafkaForTests, S3ForTests, eventually
from tests.support.site import Site, decode_headers
from worker.local.s3 import SeaweedFs, build_identity, render_identities
from worker.observe import telemetry
from worker.sampling.label_sampler import PAUSE_AFTER_FAILURE_S

pytestmark = [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"), pytest.mark.timeout(1200)]

SLOTS = 8
SOON_S = 60.0
"""for what a worker does by itself within seconds, on a machine that others keep busy"""
SETTINGS = {
    "ZOOMIN_KAFKA__SESSION_TIMEOUT_S": f"{SESSION_TIMEOUT_S:g}",
    "ZOOMIN_FLOW__MAX_IN_FLIGHT": str(SLOTS),
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
    """Of the S3 of `site`, which is well until it `begins` and again `heals_within_s` after it has `ended`."""

    site: Site
    begins: Callable[[], object]
    ended: Callable[[], object]
    heals_within_s: float = 2.0


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
            # For some of these seconds it finds buckets and no object.
            yield Illness(site, own.stop, own.start, heals_within_s=30.0)
        else:
            yield Illness(site, lambda: _revoke(own, site), lambda: _expect(own, own.secret_key))


def _revoke(weed: SeaweedFs, site: Site) -> None:
    """Returns when the key is good for nothing: until then what is sent would be served."""
    _expect(weed, "another-key")
    assert eventually(lambda: not _serves(site), within_s=30)


def _expect(weed: SeaweedFs, secret_key: str) -> None:
    """It reads its users anew, soon; the worker goes on with the key it has."""
    (weed.server.directory / "s3.json").write_text(render_identities(build_identity(weed.access_key, secret_key)))
    weed.server.process.send(signal.SIGHUP)


def _serves(site: Site) -> bool:
    try:
        site.s3.client.list_objects_v2(Bucket=site.bucket)
    except ClientError:
        return False
    return True


def test_while_the_store_serves_nobody_events_wait_and_nothing_is_dead_lettered(illness: Illness) -> None:
    site = illness.site
    site.settings["ZOOMIN_RETRY__PATIENCE_S"] = f"{illness.heals_within_s:g}"
    site.upload("a.png", encode_image(build_noise(), "PNG"))
    with site.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        send(site, "a.png")
        site.wait_for_answers(1)
        illness.begins()
        send(site, "a.png", times=60)
        assert eventually(lambda: metric(worker, "zoomin_in_flight") >= SLOTS, within_s=SOON_S)
        assert eventually(lambda: metric(worker, "zoomin_outage") >= 1, within_s=SOON_S)
        assert eventually(lambda: metric(worker, "zoomin_waiting") > 0, within_s=SOON_S)
        before = metric(worker, "zoomin_rebalances_total")
        # Longer than the group waits for a silent member, and, but for a server that is away, than patience lasts.
        time.sleep(SESSION_TIMEOUT_S + 1)
        assert metric(worker, "zoomin_rebalances_total") == before
        assert "ok" in worker.get("/livez")
        assert (len(site.read_verdicts()), site.read_dead_letters()) == (1, [])
        illness.ended()
        verdicts, letters = site.wait_for_answers(61)
        assert metric(worker, "zoomin_outage") == 0
    assert [decode_headers(letter)["zoomin-dlt-detail"] for letter in letters] == []
    assert len(verdicts) == 61


def test_one_denied_and_one_sick_object_are_dead_letters_and_the_healthy_ones_go_on(site: Site) -> None:
    for key in ("denied.png", "sick.png", "slow.png", "a.png", "b.png"):
        site.upload(key, encode_image(build_noise(), "PNG"))
    with store_front(site.s3.endpoint_url) as front, ExitStack() as stack:
        front.refused |= {f"/{site.bucket}/denied.png": DENIED, f"/{site.bucket}/sick.png": SICK}
        front.trickling.add(f"/{site.bucket}/slow.png")
        site.settings |= {
            "ZOOMIN_STORE__ENDPOINT_URL": front.url,
            "ZOOMIN_STORE__TOTAL_TIMEOUT_S": "3",
            "ZOOMIN_RETRY__PATIENCE_S": "3",
        }
        worker = stack.enter_context(site.build_worker(*STANDIN)).wait_until_started()
        send(site, "denied.png", "sick.png", "slow.png")
        send(site, "a.png", "b.png", times=20)
        verdicts, letters = site.wait_for_answers(43)
        assert worker.stop() == 0
    codes = {h["zoomin-event-id"]: h["zoomin-dlt-code"] for h in map(decode_headers, letters)}
    assert codes == {
        "denied.png-0": "image_denied",
        "sick.png-0": "store_unavailable",
        "slow.png-0": "store_unavailable",
    }
    assert len(verdicts) == 40


def test_a_labeling_bucket_that_does_not_answer_holds_up_no_verdict(site: Site) -> None:
    labels = site.s3.create_bucket("labels")
    names = [f"{number}.png" for number in range(150)]
    for number, name in enumerate(names):  # a repost would have no case of its own
        site.upload(name, encode_image(build_noise(64, 64, seed=number), "PNG"))
    with store_front(site.s3.endpoint_url) as front, ExitStack() as stack:
        front.stuck.add(f"/{labels}")
        site.settings |= {
            "ZOOMIN_STORE__ENDPOINT_URL": front.url,
            "ZOOMIN_SAMPLING__BUCKET": labels,
            "ZOOMIN_SAMPLING__CONTROL_FRACTION": "1",
        }
        worker = stack.enter_context(site.build_worker(*STANDIN)).wait_until_started()
        began = time.monotonic()
        send(site, *names)
        verdicts, letters = site.wait_for_answers(150)
        took_s = time.monotonic() - began
        failures = metric(worker, "zoomin_label_write_failures_total")
        waits = [line for line in worker.read_log() if line["event"] == telemetry.LABEL_WRITE_FAILED]
        worker.signal(signal.SIGKILL)
    assert (len(verdicts), letters) == (150, [])
    assert failures >= 150 - SLOTS, "the last ones may be waiting still"
    assert 0 < len(waits) <= SLOTS * (1 + took_s / PAUSE_AFTER_FAILURE_S), "each slot waits once, then all pause"


def test_a_member_that_slept_past_its_session_drops_what_it_had_and_rejoins(site: Site) -> None:
    site.upload("a.png", encode_image(build_noise(), "PNG"))
    with store_front(site.s3.endpoint_url) as front, ExitStack() as stack:
        site.settings["ZOOMIN_STORE__ENDPOINT_URL"] = front.url
        sleeper = stack.enter_context(site.build_worker(*STANDIN)).wait_until_started()
        other = stack.enter_context(site.build_worker(*STANDIN)).wait_until_started()
        assert eventually(lambda: _moves(sleeper, "assigned") and _moves(other, "assigned"), within_s=SOON_S)
        front.refused["/"] = BUSY  # what it has in flight stays there until it sleeps
        send(site, "a.png", times=60)
        assert eventually(lambda: metric(sleeper, "zoomin_in_flight") > 0, within_s=SOON_S)
        sleeper.signal(signal.SIGSTOP)
        taken_over = len(_moves(other, "assigned"))
        front.refused.clear()
        assert eventually(lambda: len(_moves(other, "assigned")) > taken_over, within_s=SOON_S)
        sleeper.signal(signal.SIGCONT)
        assert eventually(lambda: _moves(sleeper, "lost"), within_s=SOON_S), "it did not notice that it was fenced"
        assert eventually(
            lambda: {v.event_id for v in site.read_verdicts()} == {f"a.png-{n}" for n in range(60)}, within_s=SOON_S
        )
        assert eventually(lambda: _moves(sleeper, "assigned")[-1] >= _moves(sleeper, "lost")[0], within_s=SOON_S)
        assert site.read_dead_letters() == []
        assert (sleeper.stop(), other.stop()) == (0, 0)


def test_a_rolling_restart_of_three_workers_loses_nothing_and_leaves_no_gap(site: Site) -> None:
    patient_s, span, slots = 45, 4, 4
    site.settings |= {
        # Whoever goes without a word is waited for; 45 s cannot be taken for a busy machine's pause.
        "ZOOMIN_KAFKA__SESSION_TIMEOUT_S": str(patient_s),
        "ZOOMIN_KAFKA__COMMIT_INTERVAL_S": "0.5",
        "ZOOMIN_FLOW__MAX_SPAN": str(span),
        "ZOOMIN_FLOW__MAX_IN_FLIGHT": str(slots),
    }
    events = planned(site, 150, seed=5)
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        started.append(site.build_worker(*STANDIN, "--delay-s", "0.05"))
        return started[-1]

    pool = Pool(start, size=3)
    try:
        assert eventually(lambda: all(_moves(worker, "assigned") for worker in started), within_s=SOON_S)
        moved_before = _partitions_taken(started)
        with closing(Sender(site, events, over_s=15)) as sender:
            sender.start()
            for slot in range(3):
                pool.stop(slot)
                pool.replace(slot)
            sent = sender.sent()
            wait_until_answered(site, sent, silence_s=SOON_S)
            wait_until_committed(site, sent, silence_s=SOON_S)
            pool.stop_all()
        commits = topics.commits(site.kafka, site.environment["ZOOMIN_KAFKA__GROUP_ID"], site.images)
        verification = verify(sent, topics.answers(site), commits)
    finally:
        pool.end()
    assert verification.broken(silence_limit_s=patient_s - 10) == []
    assert pool.ended_badly == []
    moved = _partitions_taken(started) - moved_before
    assert verification.repeats <= moved * (span + slots - 1), (
        "at most what was read of a partition since its last commit"
    )


def _partitions_taken(workers: Iterable[WorkerProcess]) -> int:
    """From workers that were running on; whoever stops has answered and committed everything."""
    return sum(
        len(line.get(how, ())) for worker in workers for line in worker.read_log() for how in ("revoked", "lost")
    )


def _moves(worker: WorkerProcess, kind: str) -> list[int]:
    """Which lines of its log say that partitions were assigned, revoked or lost."""
    return [number for number, line in enumerate(worker.read_log()) if line.get(kind)]
