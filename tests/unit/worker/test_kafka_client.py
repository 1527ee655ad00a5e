"""What every Kafka client of ours is built with."""

from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from pipeline.errors import BadSettings
from worker.kafka_client import connect, connection
from worker.settings import KafkaSettings


def test_plain_connection_names_all_brokers() -> None:
    configs = connection(KafkaSettings(bootstrap_servers="a:1, b:2"))
    assert configs["bootstrap_servers"] == ["a:1", "b:2"]
    assert configs["security_protocol"] == "PLAINTEXT"
    assert configs["sasl_plain_password"] is None


def test_credentials_and_certificates_reach_the_client_as_it_reads_them() -> None:
    configs = connection(
        KafkaSettings(
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="worker",
            sasl_password="planted",
            ssl_cafile=Path("/etc/ca.pem"),
        )
    )
    named = ("security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password", "ssl_cafile")
    assert [configs[name] for name in named] == ["SASL_SSL", "SCRAM-SHA-512", "worker", "planted", "/etc/ca.pem"]
    assert configs["ssl_certfile"] is configs["ssl_keyfile"] is None


def test_client_knows_each_name() -> None:
    assert connection(KafkaSettings()).keys() <= KafkaAdminClient.DEFAULT_CONFIG.keys()


def test_missing_certificate_is_a_bad_setting_before_anything_is_reached(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(BadSettings, match=r"ca\.pem"):
        connect(KafkaAdminClient, KafkaSettings(security_protocol="SSL", ssl_cafile=missing))
