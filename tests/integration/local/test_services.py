"""The fixtures of the services themselves, so that a broken service fails here first."""

import json

from tests.support.servers.services import KafkaForTests, S3ForTests, VersityGw, eventually


def test_kafka_keeps_what_was_sent(kafka: KafkaForTests) -> None:
    topic = kafka.create_topic("kept", partitions=2)
    kafka.send(topic, b"one", None, key=b"k", headers=[("h", b"v")], partition=1)
    kafka.send(topic, b"three", partition=0)
    found = [(record.partition, record.key, record.value) for record in kafka.read_records(topic)]
    assert found == [(0, None, b"three"), (1, b"k", b"one"), (1, b"k", None)]


def test_seaweedfs_keeps_what_was_put(seaweedfs: S3ForTests) -> None:
    bucket = seaweedfs.create_bucket()
    seaweedfs.client.put_object(Bucket=bucket, Key="a b+c%.jpg", Body=b"pixels")
    assert seaweedfs.client.get_object(Bucket=bucket, Key="a b+c%.jpg")["Body"].read() == b"pixels"


def test_an_upload_to_versitygw_becomes_a_notification(kafka: KafkaForTests, versitygw: VersityGw) -> None:
    bucket = versitygw.s3.create_bucket()
    versitygw.s3.client.put_object(Bucket=bucket, Key="a b+c.jpg", Body=b"pixels")

    def list_keys() -> list[str]:
        values = [json.loads(record.value) for record in kafka.read_records(versitygw.topic)]
        found = [record["s3"] for value in values for record in value.get("Records") or ()]
        return [s3["object"]["key"] for s3 in found if s3["bucket"]["name"] == bucket]

    assert eventually(lambda: list_keys() == ["a b+c.jpg"])
