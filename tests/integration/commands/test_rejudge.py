import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import BadSettings, FatalError
from pipeline.wire.events import Addressing, parse_record
from pipeline.wire.record import RawRecord
from tests.support.processes.commands import run_command
from tests.support.verdicts import build_verdict
from worker.commands import rejudge
from worker.common.sections import KafkaSettings
from worker.common.settings import Settings
from worker.kafka.outgoing import build_verdict_message

BAD, GOOD = "sha256:" + "b" * 64, "sha256:" + "a" * 64
ADDRESSING = Addressing(None, frozenset({"uploads"}))


@pytest.fixture
def settings(kafka):
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            input_topic=kafka.create_topic("images", partitions=2),
            verdict_topic=kafka.create_topic("verdicts", partitions=2),
        )
    )


class Topics:
    """Writes verdicts as a worker does, and reads what a worker would read."""

    def __init__(self, kafka, settings):
        self._kafka = kafka
        self._topics = settings.kafka

    def send_verdict(self, event_id, revision, *, ago_s=60, partition=None, worker="worker-1"):
        verdict = build_verdict(event_id=event_id, decided_at=datetime.now(UTC) - timedelta(seconds=ago_s))
        model = verdict.model.model_copy(update={"revision": revision})
        record = RawRecord(self._topics.input_topic, 0, 0, 0, event_id.encode(), b"")
        message = build_verdict_message(
            verdict.model_copy(update={"model": model, "worker": worker}), record, traceparent=None, limit_bytes=2**20
        )
        self._kafka.send(
            self._topics.verdict_topic, message.value, key=message.key, headers=message.headers, partition=partition
        )

    def read_events(self):
        found = []
        for r in self._kafka.read_records(self._topics.input_topic):
            record = RawRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
            found += parse_record(record, ADDRESSING)
        return sorted(event.event_id for event in found)


@pytest.fixture
def topics(kafka, settings):
    return Topics(kafka, settings)


def run_rejudge(capsys, settings, *flags, revision=BAD):
    assert run_command(rejudge, "--revision", revision, "--json", *flags, settings=settings) == 0
    return json.loads(capsys.readouterr().out)


def test_events_of_the_revision_are_sent_once_and_those_judged_since_are_left_out(kafka, topics, settings, capsys):
    kafka.send(settings.kafka.verdict_topic, b"no verdict", key=b"k")
    for number in range(6):
        topics.send_verdict(f"e{number}", BAD, partition=number % 2)
    topics.send_verdict("e0", GOOD, ago_s=30)
    topics.send_verdict("other", GOOD, ago_s=1)
    dry = run_rejudge(capsys, settings, "--dry-run")
    assert (dry["due"], dry["sent"], topics.read_events()) == (5, 0, [])
    assert run_rejudge(capsys, settings, "--limit", "2", revision=BAD.replace(":", "-"))["sent"] == 2
    rest = run_rejudge(capsys, settings)
    assert rest == {
        "revision": BAD,
        "events": 7,
        "of_revision": 6,
        "judged_again": 1,
        "sent_before": 2,
        "due": 3,
        "sent": 3,
        "unreadable": 1,
        "unsendable": 0,
        "topic": settings.kafka.input_topic,
    }
    assert topics.read_events() == ["e1", "e2", "e3", "e4", "e5"]
    assert run_rejudge(capsys, settings)["sent"] == 0
    topics.send_verdict("e3", BAD, ago_s=5)  # a worker that had not swapped yet
    again = run_rejudge(capsys, settings)
    assert (again["sent"], again["sent_before"]) == (1, 4)


def test_a_state_file_stands_in_for_an_input_topic_that_has_forgotten(kafka, topics, settings, capsys, tmp_path):
    for number in range(4):
        topics.send_verdict(f"e{number}", BAD, partition=0)
    topics.send_verdict("new", GOOD, ago_s=1)
    state = tmp_path / "state.json"
    assert run_rejudge(capsys, settings, "--limit", "3", "--state", str(state))["sent"] == 3
    assert json.loads(state.read_text())["positions"] == {"0": 2}
    emptied = settings.kafka.model_copy(update={"input_topic": kafka.create_topic("images")})
    settings = settings.model_copy(update={"kafka": emptied})
    assert run_rejudge(capsys, settings, "--state", str(state))["sent"] == 1
    assert Topics(kafka, settings).read_events() == ["e3"]
    with pytest.raises(BadSettings, match="name another --state file"):
        run_command(rejudge, "--revision", GOOD, "--state", str(state), settings=settings)


def test_a_revision_that_still_serves_is_refused_unless_forced(topics, settings, capsys):
    topics.send_verdict("e1", GOOD)
    topics.send_verdict("e2", BAD, ago_s=1)
    with pytest.raises(FatalError, match=r"still comes from .* roll back"):
        run_command(rejudge, "--revision", BAD, settings=settings)
    assert topics.read_events() == []
    assert run_rejudge(capsys, settings, "--dry-run")["due"] == 1
    assert run_rejudge(capsys, settings, "--force")["sent"] == 1
    assert topics.read_events() == ["e2"]


def test_a_revision_without_verdicts_is_named_beside_those_that_have_some(topics, settings):
    topics.send_verdict("e1", GOOD)
    with pytest.raises(FatalError, match=rf"comes from {BAD}; they come from {GOOD} \(1\)"):
        run_command(rejudge, "--revision", BAD, settings=settings)
    with pytest.raises(FatalError, match="none is stored"):
        run_command(rejudge, "--revision", BAD, "--since", "2999-01-01", settings=settings)


def test_people_read_counts_and_a_warning_of_a_worker_that_has_not_swapped(topics, settings, capsys):
    topics.send_verdict("e1", BAD, worker="slow\x1b[2J")
    topics.send_verdict("e2", GOOD, ago_s=1)
    assert run_command(rejudge, "--revision", BAD, settings=settings) == 0
    output = capsys.readouterr()
    assert "1 of 2 events were judged by" in output.out
    assert "1 sent to" in output.out
    assert "1 worker(s) still comes from this revision: slow\\x1b[2J" in output.err


def test_ctrl_c_ends_cleanly_and_the_next_run_sends_the_rest(kafka, topics, settings, capsys, tmp_path):
    for number in range(8):
        topics.send_verdict(f"e{number}", BAD)
    topics.send_verdict("new", GOOD, ago_s=1)
    state = tmp_path / "state.json"
    environment = os.environ | kafka.environment
    for name in ("input_topic", "verdict_topic"):
        environment[f"ZOOMIN_KAFKA__{name.upper()}"] = getattr(settings.kafka, name)
    argv = [sys.executable, "-m", "worker", "rejudge", "--revision", BAD, "--rate", "1", "--state", str(state)]
    deadline = time.monotonic() + 60
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as child:
        while not state.exists() or json.loads(state.read_text())["events"] == 0:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert (child.returncode, "Traceback" in errors) == (130, False)
    assert "the same command goes on from there" in errors
    assert 0 < len(topics.read_events()) < 8
    run_rejudge(capsys, settings, "--state", str(state))
    assert topics.read_events() == [f"e{number}" for number in range(8)]
