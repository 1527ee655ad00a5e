import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from pipeline.errors import FatalError, TopicMissing
from pipeline.images import encode_png
from tests.support.processes.commands import run_command
from tests.support.verdicts import build_verdict
from worker.commands import tail
from worker.common.sections import KafkaSettings, StoreSettings
from worker.common.settings import Settings


@pytest.fixture
def topic(kafka):
    return kafka.create_topic("verdicts", partitions=2)


@pytest.fixture
def settings(kafka, topic):
    return Settings(kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, verdict_topic=topic))


def publish(kafka, topic, *events):
    for event in events:
        kafka.send(topic, event.model_dump_json().encode(), key=event.event_id.encode())


def read_ids(capsys):
    return sorted(json.loads(line)["event_id"] for line in capsys.readouterr().out.splitlines())


def test_everything_stored_is_shown_as_it_is_on_the_topic(kafka, topic, settings, capsys):
    events = [build_verdict(event_id=f"e{n}") for n in range(20)]
    publish(kafka, topic, *events)
    newer = json.loads(events[0].model_dump_json()) | {"event_id": "newer", "added_later": [1]}
    kafka.send(topic, json.dumps(newer).encode())
    assert run_command(tail, "--once", "--json", settings=settings) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(line["event_id"] for line in lines) == sorted([*(e.event_id for e in events), "newer"])
    assert newer in lines


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--verdict", "real"], ["corrected-to-real", "degraded", "sure"]),
        (["--corrected"], ["corrected", "corrected-to-real"]),
        (["--uncertain"], ["sure"]),
        (["--status", "degraded"], ["degraded"]),
        (["--max-confidence", "0.9"], ["corrected-to-real", "degraded", "sure"]),
        (["--source", "app"], ["corrected"]),
        (["--event", "degraded"], ["degraded"]),
        (["--key", "s3://uploads/only me.png"], ["corrected-to-real"]),
        (["--verdict", "real", "--corrected"], ["corrected-to-real"]),
    ],
)
def test_flags_narrow_and_combine(kafka, topic, settings, capsys, flags, expected):
    publish(
        kafka,
        topic,
        build_verdict(event_id="corrected", scan="real", check="generated", source="app"),
        build_verdict(event_id="corrected-to-real", scan="generated", check="real", key="only me.png"),
        build_verdict(event_id="degraded", check=None, zoomed=[(0, 0, 5, 5)]),
        build_verdict(event_id="sure", scan="real", check="real", uncertain=True),
    )
    assert run_command(tail, "--once", "--json", *flags, settings=settings) == 0
    assert read_ids(capsys) == expected


def test_nothing_found_is_said_and_exits_1(settings, topic, capsys):
    assert run_command(tail, "--once", "--event", "nobody", settings=settings) == 1
    assert topic in capsys.readouterr().err


def test_since_leaves_out_what_is_older(kafka, topic, settings, capsys):
    publish(kafka, topic, build_verdict(event_id="now"))
    assert run_command(tail, "--once", "--json", "--since", "5m", settings=settings) == 0
    assert read_ids(capsys) == ["now"]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert run_command(tail, "--once", "--json", "--since", tomorrow, settings=settings) == 1
    assert read_ids(capsys) == []


def test_records_that_are_no_verdicts_are_passed_over_aloud(kafka, topic, settings, capsys):
    kafka.send(topic, b"\x00 not json \x1b[2J", b'{"schema_version": 9}', None, key=b"k")
    publish(kafka, topic, build_verdict(event_id="good"))
    assert run_command(tail, "--once", "--json", settings=settings) == 0
    output = capsys.readouterr()
    assert [json.loads(line)["event_id"] for line in output.out.splitlines()] == ["good"]
    assert output.err.count("Passed over") == 3
    assert "\x1b" not in output.err


def test_people_read_a_line_and_its_evidence(kafka, topic, settings, capsys):
    publish(kafka, topic, build_verdict(key="odd\x1b[31m[bold].png", zoomed=[(1, 2, 30, 40)]))
    assert run_command(tail, "--once", settings=settings) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "real \N{RIGHTWARDS ARROW} generated" in first
    assert "s3://uploads/odd\\x1b[31m[bold].png" in first
    assert "[1,2,30,40]" in second


def test_cards_are_drawn_from_the_image_that_was_judged(
    kafka, seaweedfs, topic, settings, monkeypatch, tmp_path, capsys
):
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    bucket = seaweedfs.create_bucket("uploads")
    pixels = Image.new("RGB", (300, 200), (10, 200, 30))
    for key in ["same.png", "changed.png"]:
        seaweedfs.client.put_object(Bucket=bucket, Key=key, Body=encode_png(pixels))
    etag = seaweedfs.client.head_object(Bucket=bucket, Key="same.png")["ETag"].strip('"')
    events = []
    for key, digest in [("same.png", None), ("changed.png", "0" * 64)]:
        event = build_verdict(bucket=bucket, key=key, event_id=f"../{key}", size=(300, 200), zoomed=[(10, 10, 60, 60)])
        image = event.image.model_copy(
            update={"etag": etag, "sha256": digest or hashlib.sha256(encode_png(pixels)).hexdigest()}
        )
        events.append(event.model_copy(update={"image": image}))
    publish(kafka, topic, *events)
    store = StoreSettings(endpoint_url=seaweedfs.endpoint_url, buckets=frozenset([bucket]))
    settings = settings.model_copy(update={"store": store})
    assert run_command(tail, "--once", "--save-cards", str(tmp_path / "cards"), settings=settings) == 0
    saved = list((tmp_path / "cards").iterdir())
    assert len(saved) == 1
    with Image.open(saved[0]) as drawn:
        assert drawn.width == 1280
    assert "No evidence card for event ../changed.png" in capsys.readouterr().err


def start_tail(kafka, topic, *flags):
    """Start `zoomin tail` as a process and return when it is listening."""
    environment = os.environ | kafka.environment | {"ZOOMIN_KAFKA__VERDICT_TOPIC": topic}
    child = subprocess.Popen(
        [sys.executable, "-m", "worker", "tail", *flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "Waiting for verdicts" in child.stderr.readline()
    return child


def test_verdicts_come_as_they_are_published_and_ctrl_c_ends_it_at_once(kafka, topic):
    publish(kafka, topic, build_verdict(event_id="before"))
    with start_tail(kafka, topic, "--json") as child:
        publish(kafka, topic, build_verdict(event_id="after"))
        assert json.loads(child.stdout.readline())["event_id"] == "after"
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=60)
    assert (child.returncode, output, errors) == (130, "", "")


def test_a_reader_that_leaves_the_pipe_ends_it_quietly(kafka, topic):
    with start_tail(kafka, topic, "--json") as child:
        publish(kafka, topic, build_verdict(event_id="one"))
        assert json.loads(child.stdout.readline())["event_id"] == "one"
        child.stdout.close()
        publish(kafka, topic, build_verdict(event_id="two"))
        assert child.wait(timeout=60) in (0, 120)
        assert child.stderr.read() == ""


def test_a_missing_topic_is_said(kafka):
    there = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, verdict_topic="no-such-topic")
    with pytest.raises(TopicMissing, match="no-such-topic"):
        run_command(tail, "--once", settings=Settings(kafka=there))


# The client leaves the sockets of refused connections to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_missing_broker_is_said():
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(FatalError, match=r"127\.0\.0\.1:1"):
        run_command(tail, "--once", settings=Settings(kafka=nowhere))
    gc.collect()
