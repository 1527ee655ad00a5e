import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.errors import BadSettings, FatalError, ImageMissing, TopicMissing
from pipeline.wire.events import parse_record
from pipeline.wire.record import RawRecord
from pipeline.wire.urls import Addressing
from tests.support.processes.commands import run_command
from worker.commands import submit
from worker.common.sections import KafkaSettings, StoreSettings
from worker.common.settings import Settings


@pytest.fixture
def bucket(seaweedfs, monkeypatch):
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    return seaweedfs.create_bucket("uploads")


@pytest.fixture
def settings(kafka, seaweedfs, bucket):
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers, input_topic=kafka.create_topic("images", partitions=3)
        ),
        store=StoreSettings(endpoint_url=seaweedfs.endpoint_url, buckets=frozenset([bucket])),
    )


def put(seaweedfs, bucket, *keys):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: seaweedfs.client.put_object(Bucket=bucket, Key=key, Body=key.encode()), keys))


def read_events(kafka, settings):
    addressing = Addressing(settings.store.endpoint_url, settings.store.buckets)
    found = []
    for r in kafka.read_records(settings.kafka.input_topic):
        record = RawRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
        found += parse_record(record, addressing)
    return found


def read_keys(kafka, settings):
    return sorted(event.image.key for event in read_events(kafka, settings))


def test_every_object_below_a_prefix_becomes_an_event_that_names_it_exactly(kafka, seaweedfs, bucket, settings):
    odd = ["in/a b+c.jpg", "in/%2F?x#y.png", "in/ünï/漢.png", "in/deep/er.jpg"]
    put(seaweedfs, bucket, *odd, "out/other.jpg", "in/folder/")
    assert run_command(submit, f"s3://{bucket}/in/", settings=settings) == 0
    assert read_keys(kafka, settings) == sorted(odd)
    for event in read_events(kafka, settings):
        head = seaweedfs.client.head_object(Bucket=bucket, Key=event.image.key)
        assert event.image.etag == head["ETag"].strip('"')


def test_submitting_again_gives_the_same_event_ids(kafka, seaweedfs, bucket, settings):
    put(seaweedfs, bucket, "a.png", "b.png")
    for _ in range(2):
        assert run_command(submit, f"s3://{bucket}", settings=settings) == 0
    ids = [event.event_id for event in read_events(kafka, settings)]
    assert len(ids) == 4
    assert len(set(ids)) == 2


def test_more_than_a_page_of_keys(kafka, seaweedfs, bucket, settings):
    names = [f"k{n:04}" for n in range(1101)]
    put(seaweedfs, bucket, *names)
    assert run_command(submit, f"s3://{bucket}/", "--json", settings=settings) == 0
    assert read_keys(kafka, settings) == names


def test_a_state_file_goes_on_after_what_was_acknowledged(kafka, seaweedfs, bucket, settings, tmp_path, capsys):
    put(seaweedfs, bucket, "a", "b", "c", "d")
    state = tmp_path / "state.json"
    url = f"s3://{bucket}/"
    state.write_text(json.dumps({"format": 1, "prefixes": {url: {"last_key": "b", "events": 2, "finished": False}}}))
    assert run_command(submit, url, "--state", str(state), settings=settings) == 0
    assert read_keys(kafka, settings) == ["c", "d"]
    assert json.loads(state.read_text())["prefixes"][url] == {"last_key": "d", "events": 4, "finished": True}
    assert run_command(submit, url, "--state", str(state), settings=settings) == 0
    assert read_keys(kafka, settings) == ["c", "d"]
    assert str(state) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_ctrl_c_keeps_what_was_acknowledged_and_the_next_run_sends_the_rest(
    kafka, seaweedfs, bucket, settings, tmp_path
):
    names = [f"k{n:03}" for n in range(60)]
    put(seaweedfs, bucket, *names)
    state = tmp_path / "state.json"
    environment = os.environ | kafka.environment | seaweedfs.environment
    environment |= {"ZOOMIN_STORE__BUCKETS": bucket, "ZOOMIN_KAFKA__INPUT_TOPIC": settings.kafka.input_topic}
    # A minute's work: it is interrupted long before, and never far ahead of what is acknowledged.
    argv = [sys.executable, "-m", "worker", "submit", f"s3://{bucket}/", "--rate", "1", "--state", str(state)]
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as child:
        while not state.exists() or json.loads(state.read_text())["prefixes"][f"s3://{bucket}/"]["events"] == 0:
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in errors
    done = json.loads(state.read_text())["prefixes"][f"s3://{bucket}/"]["events"]
    assert 0 < done < 60
    assert run_command(submit, f"s3://{bucket}/", "--state", str(state), settings=settings) == 0
    sent = read_keys(kafka, settings)
    assert sorted(set(sent)) == names
    assert len(sent) - len(names) <= 5  # those that were sent and not yet acknowledged


def test_urls_from_stdin(kafka, bucket, settings, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"s3://{bucket}/one.png\n\ns3://{bucket}/two three.png\r\n"))
    assert run_command(submit, "-", settings=settings) == 0
    assert read_keys(kafka, settings) == ["one.png", "two three.png"]


@pytest.mark.parametrize("line", ["https://example.com/x.png", "s3://", "hello"])
def test_a_line_that_is_no_url_is_named(bucket, settings, monkeypatch, line):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"s3://{bucket}/one.png\n{line}\n"))
    with pytest.raises(FatalError, match="line 2"):
        run_command(submit, "-", settings=settings)


def test_what_a_worker_would_refuse_is_not_sent(kafka, settings):
    with pytest.raises(BadSettings, match="ZOOMIN_STORE__BUCKETS"):
        run_command(submit, "s3://another-bucket/", settings=settings)
    assert kafka.read_records(settings.kafka.input_topic) == []


def test_a_missing_bucket_and_a_missing_topic_are_said(seaweedfs, bucket, settings):
    store = settings.store.model_copy(update={"buckets": frozenset(["no-such-bucket"])})
    with pytest.raises(ImageMissing, match="no-such-bucket"):
        run_command(submit, "s3://no-such-bucket/", settings=settings.model_copy(update={"store": store}))
    put(seaweedfs, bucket, "a")
    kafka_settings = settings.kafka.model_copy(update={"input_topic": "no-such-topic"})
    with pytest.raises(TopicMissing, match="no-such-topic"):
        run_command(submit, f"s3://{bucket}/", settings=settings.model_copy(update={"kafka": kafka_settings}))


def test_a_foreign_state_file_is_not_overwritten(bucket, settings, tmp_path):
    path = tmp_path / "precious.json"
    path.write_text('{"mine": 1}')
    with pytest.raises(BadSettings, match=r"precious\.json"):
        run_command(submit, f"s3://{bucket}/", "--state", str(path), settings=settings)
    assert path.read_text() == '{"mine": 1}'
