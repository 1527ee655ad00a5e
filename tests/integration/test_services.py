"""The fixtures themselves, so that a broken service fails here first."""

from tests.services import KafkaForTests, S3ForTests


def test_kafka_keeps_what_was_sent(kafka: KafkaForTests) -> None:
    topic = kafka.topic("kept", partitions=2)
    kafka.send(topic, b"one", None, key=b"k", headers=[("h", b"v")], partition=1)
    kafka.send(topic, b"three", partition=0)
    found = [(record.partition, record.key, record.value) for record in kafka.records(topic)]
    assert found == [(0, None, b"three"), (1, b"k", b"one"), (1, b"k", None)]


def test_seaweedfs_keeps_what_was_put(seaweedfs: S3ForTests) -> None:
    bucket = seaweedfs.bucket()
    seaweedfs.client.put_object(Bucket=bucket, Key="a b+c%.jpg", Body=b"pixels")
    assert seaweedfs.client.get_object(Bucket=bucket, Key="a b+c%.jpg")["Body"].read() == b"pixels"
