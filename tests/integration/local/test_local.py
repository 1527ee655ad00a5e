"""The local stack and its servers: stopped, killed, frozen and started again."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from pipeline.errors import LocalStackFailed
from tests.support.servers.services import KafkaForTests, S3ForTests, eventually
from worker.local.kafka import KafkaBroker
from worker.local.s3 import SeaweedFs
from worker.local.stack import CACHE

COMMAND = """
import argparse, sys
from worker.commands import up
parser = argparse.ArgumentParser()
up.configure(parser)
sys.exit(up.run(parser.parse_args()))
"""


@contextmanager
def run_zoomin_up(directory: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run `zoomin up` and yield its process and the variables that it prints."""
    argv = [sys.executable, "-c", COMMAND, "--json", "--dir", str(directory)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def is_listening(environment: dict[str, str]) -> bool:
    return is_open(environment["ZOOMIN_KAFKA__BOOTSTRAP_SERVERS"]) or is_open(
        urlsplit(environment["ZOOMIN_STORE__ENDPOINT_URL"]).netloc
    )


def is_open(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def read_message_limits(bootstrap_servers: str, *topics: str) -> list[int]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics])
        return [int(described["topic"][topic]["max.message.bytes"]["value"]) for topic in topics]
    finally:
        admin.close()


def test_up_keeps_its_data_and_leaves_no_process(tmp_path: Path) -> None:
    with run_zoomin_up(tmp_path) as (process, first):
        s3 = S3ForTests(
            first["ZOOMIN_STORE__ENDPOINT_URL"],
            access_key=first["AWS_ACCESS_KEY_ID"],
            secret_key=first["AWS_SECRET_ACCESS_KEY"],
        )
        s3.client.put_object(Bucket="zoomin-images", Key="kept", Body=b"pixels")
        images, letters = read_message_limits(
            first["ZOOMIN_KAFKA__BOOTSTRAP_SERVERS"], "zoomin.images", "zoomin.images.dlt"
        )
        assert letters == images + 64 * 1024
        servers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert not any(server.is_running() for server in servers)
        assert not is_listening(first)

    with run_zoomin_up(tmp_path) as (process, second):
        assert second == first
        assert s3.client.get_object(Bucket="zoomin-images", Key="kept")["Body"].read() == b"pixels"
        servers = psutil.Process(process.pid).children(recursive=True)
        assert len(servers) == 4, "two servers and two supervisors"
        process.kill()
        assert eventually(lambda: not any(server.is_running() for server in servers))
        assert not is_listening(second)
    s3.client.close()


def test_a_broker_comes_back_with_its_records(own_kafka: KafkaForTests) -> None:
    broker, topic = own_kafka.broker, own_kafka.create_topic()
    own_kafka.send(topic, b"one")
    broker.stop()
    assert not is_open(broker.bootstrap_servers)
    broker.start()
    own_kafka.send(topic, b"two")
    broker.kill()
    broker.start()
    own_kafka.send(topic, b"three")
    assert [record.value for record in own_kafka.read_records(topic)] == [b"one", b"two", b"three"]


def test_seaweedfs_comes_back_with_its_objects(tmp_path: Path) -> None:
    weed = SeaweedFs(tmp_path, remove=tmp_path).start()
    try:
        client = weed.build_client()
        weed.create_buckets(["images"])
        for key, end in (("one", weed.stop), ("two", weed.kill)):
            client.put_object(Bucket="images", Key=key, Body=key.encode())
            end()
            weed.start()
            assert client.get_object(Bucket="images", Key=key)["Body"].read() == key.encode()
        client.close()
    finally:
        weed.stop()


def test_a_frozen_broker_answers_again_when_it_thaws(own_kafka: KafkaForTests) -> None:
    topic = own_kafka.create_topic()
    own_kafka.send(topic, b"before")
    own_kafka.broker.server.freeze()
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(own_kafka.send, topic, b"meanwhile")
        assert not wait([sent], timeout=4).done  # twice the broker's session: it is fenced and must come back
        own_kafka.broker.server.thaw()
        sent.result(timeout=30)
    assert [record.value for record in own_kafka.read_records(topic)] == [b"before", b"meanwhile"]


def test_a_broker_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    broker = KafkaBroker(tmp_path, cache=CACHE, notify=print, remove=tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    with pytest.raises(LocalStackFailed, match="Kafka ended with code 1 while it started") as failed:
        broker.start()
    assert str(broker.server.log) in failed.value.detail
    assert "configured node id" in failed.value.detail
