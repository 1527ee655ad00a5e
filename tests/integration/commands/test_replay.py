import json
import random
import time
from datetime import UTC, datetime

import pytest

from pipeline.errors import BucketForbidden, ImageMissing, MalformedEvent, ZoomInError
from pipeline.wire.events import Addressing, parse_record
from pipeline.wire.record import RawRecord
from tests.support.builders import build_notification
from tests.support.processes.commands import run_command
from tests.support.verdicts import build_verdict
from worker.commands import replay
from worker.common.sections import KafkaSettings
from worker.common.settings import Settings
from worker.kafka.outgoing import build_dead_letter_message, build_verdict_message


@pytest.fixture
def settings(kafka):
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            input_topic=kafka.create_topic("images"),
            verdict_topic=kafka.create_topic("verdicts"),
            dead_letter_topic=kafka.create_dead_letter_topic("images.dlt"),
        )
    )


class Topics:
    """Writes records, letters and verdicts as a worker does, by its own functions."""

    def __init__(self, kafka, settings):
        self._kafka = kafka
        self._topics = settings.kafka

    def read_records(self):
        return [
            RawRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
            for r in self._kafka.read_records(self._topics.input_topic)
        ]

    def send(self, value, *, key=b"k", headers=()):
        self._kafka.send(self._topics.input_topic, value, key=key, headers=headers)
        return self.read_records()[-1]

    def send_letter(self, record, event_id, error: ZoomInError | None = None, *, index="", limit_bytes=2**20):
        error = error or ImageMissing("gone")
        error.index = index
        message = build_dead_letter_message(
            record,
            error,
            event_id=event_id,
            traceparent=None,
            worker="w",
            failed_at=datetime.now(UTC),
            limit_bytes=limit_bytes,
        )
        self._kafka.send(self._topics.dead_letter_topic, message.value, key=message.key, headers=message.headers)

    def send_verdict(self, record, event_id):
        message = build_verdict_message(build_verdict(event_id=event_id), record, traceparent=None, limit_bytes=2**20)
        self._kafka.send(self._topics.verdict_topic, message.value, key=message.key, headers=message.headers)


@pytest.fixture
def topics(kafka, settings):
    return Topics(kafka, settings)


def run_replay(capsys, settings, *flags):
    assert run_command(replay, "--json", *flags, settings=settings) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line["event_id"], line["what"]) for line in lines]


def test_a_letter_goes_back_as_the_record_it_was(topics, settings, capsys):
    original = topics.send(b'{"raw": \x00}', key=b"\xff key", headers=[("content-type", b"x/y"), ("traceparent", b"t")])
    topics.send_letter(original, "e1")
    assert run_replay(capsys, settings) == [("e1", "sent")]
    again = topics.read_records()[-1]
    assert (again.key, again.value) == (original.key, original.value)
    assert dict(again.headers) == {
        "content-type": b"x/y",
        "traceparent": b"t",
        "zoomin-event-id": b"e1",
        "zoomin-replay-of": f"{original.topic}/{original.partition}@{original.offset}".encode(),
        "zoomin-replay": b"1",
    }


def test_a_second_replay_sends_nothing_until_the_event_fails_again(topics, settings, capsys):
    topics.send_letter(topics.send(b"v"), "e1")
    assert run_replay(capsys, settings) == [("e1", "sent")]
    assert run_replay(capsys, settings) == [("e1", "replayed since")]
    topics.send_letter(topics.read_records()[-1], "e1")
    assert run_replay(capsys, settings) == [("e1", "replayed since"), ("e1", "sent")]
    assert topics.read_records()[-1].get_header("zoomin-replay") == b"2"
    assert len(topics.read_records()) == 3


def test_a_fifth_replay_is_refused(topics, settings, capsys):
    topics.send_letter(topics.send(b"v"), "e1")
    for _ in range(4):
        assert run_replay(capsys, settings)[-1] == ("e1", "sent")
        topics.send_letter(topics.read_records()[-1], "e1")
    assert run_replay(capsys, settings)[-1] == ("e1", "replayed 4 times")
    assert len(topics.read_records()) == 5


def test_answered_events_stay_answered(topics, settings, capsys):
    for event_id in ["e1", "e2"]:
        topics.send_letter(topics.send(event_id.encode()), event_id)
    topics.send_verdict(topics.read_records()[0], "e1")
    assert run_replay(capsys, settings) == [("e1", "answered since"), ("e2", "sent")]


def test_records_that_nobody_could_read_are_replayed_once_too(topics, settings, capsys):
    forbidden = BucketForbidden("bucket 'x' is not on the allow-list")
    topics.send_letter(topics.send(b"first"), None, forbidden)
    topics.send_letter(topics.send(b"second"), None, forbidden)
    assert run_replay(capsys, settings, "--limit", "1") == [(None, "sent"), (None, "beyond --limit")]
    assert run_replay(capsys, settings) == [(None, "replayed since"), (None, "sent")]
    assert [record.value for record in topics.read_records()] == [b"first", b"second", b"first", b"second"]


ADDRESSING = Addressing(None, frozenset({"photos"}))


def test_one_of_several_images_that_only_its_place_names_is_replayed_alone_and_under_its_id(topics, settings, capsys):
    topics.send(b"a record before it")
    body = json.dumps(build_notification(("photos", "a"), ("photos", "a"), ("photos", "a"))).encode()
    original = topics.send(body)
    wanted = parse_record(original, ADDRESSING)[1]
    topics.send_letter(original, wanted.event_id, index="1")
    for replays in (1, 2):
        assert run_replay(capsys, settings)[-1] == (wanted.event_id, "sent")
        again = topics.read_records()[-1]
        assert (again.value, again.get_header("zoomin-replay")) == (body, str(replays).encode())
        assert parse_record(again, ADDRESSING) == [wanted]
        topics.send_letter(again, wanted.event_id, index="1")


def test_each_entry_that_could_not_be_read_is_replayed_for_itself(topics, settings, capsys):
    bad = MalformedEvent("our reader did not know this name")
    original = topics.send(json.dumps(build_notification(*[("photos", key) for key in "abcd"])).encode())
    for index in ("1", "3"):
        topics.send_letter(original, None, bad, index=index)
    assert run_replay(capsys, settings, "--limit", "1") == [(None, "sent"), (None, "beyond --limit")]
    assert run_replay(capsys, settings) == [(None, "replayed since"), (None, "sent")]
    assert run_replay(capsys, settings) == [(None, "replayed since"), (None, "replayed since")]
    entries = parse_record(original, ADDRESSING)
    assert [parse_record(again, ADDRESSING) for again in topics.read_records()[1:]] == [[entries[1]], [entries[3]]]


def test_an_omitted_value_stays_where_it_is(topics, settings, capsys):
    topics.send_letter(topics.send(random.Random(0).randbytes(5000)), "big", limit_bytes=2000)
    assert run_replay(capsys, settings) == [("big", "value omitted")]
    assert len(topics.read_records()) == 1


def test_a_dry_run_sends_nothing(topics, settings, capsys):
    topics.send_letter(topics.send(b"v"), "e1")
    assert run_replay(capsys, settings, "--dry-run") == [("e1", "would be sent")]
    assert len(topics.read_records()) == 1


def test_code_and_time_narrow(topics, settings, capsys):
    topics.send_letter(topics.send(b"a"), "old")
    time.sleep(0.05)
    since = datetime.now(UTC).isoformat()
    topics.send_letter(topics.send(b"b"), "missing")
    topics.send_letter(topics.send(b"c"), None, BucketForbidden("no"))
    assert run_replay(capsys, settings, "--since", since, "--code", "image_missing") == [("missing", "sent")]


def test_foreign_records_on_the_topic_are_passed_over_and_people_get_a_table(kafka, topics, settings, capsys):
    kafka.send(settings.kafka.dead_letter_topic, b"?", key=b"k")
    topics.send_letter(topics.send(b"v"), "e\x1b[2J1")
    assert run_command(replay, settings=settings) == 0
    output = capsys.readouterr()
    assert "Passed over 1 record" in output.err
    assert "e\\x1b[2J1" in output.out
    assert "1 sent" in output.out


def test_an_empty_topic_is_no_error(settings, capsys):
    assert run_command(replay, settings=settings) == 0
    assert capsys.readouterr().out == ""
