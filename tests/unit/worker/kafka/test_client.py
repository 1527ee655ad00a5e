"""Options, checks and errors of Kafka connections."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from kafka import KafkaAdminClient
from kafka import errors as kafka_errors

from pipeline.errors import BadSettings
from tests.support.servers.certificates import Authority
from worker.common.sections import KafkaSettings
from worker.kafka.client import build_client_options, build_connection_error, connect


def test_plain_connection_names_all_brokers() -> None:
    configs = build_client_options(KafkaSettings(bootstrap_servers="a:1, b:2"))
    assert configs["bootstrap_servers"] == ["a:1", "b:2"]
    assert configs["security_protocol"] == "PLAINTEXT"
    assert configs["sasl_plain_password"] is None


def test_credentials_and_certificates_reach_the_client_as_it_reads_them() -> None:
    configs = build_client_options(
        KafkaSettings(
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="worker",
            sasl_password="secret-1",
            ssl_cafile=Path("/etc/ca.pem"),
        )
    )
    named = ("security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password", "ssl_cafile")
    assert [configs[name] for name in named] == ["SASL_SSL", "SCRAM-SHA-512", "worker", "secret-1", "/etc/ca.pem"]
    assert configs["ssl_certfile"] is configs["ssl_keyfile"] is None


def test_client_knows_each_name() -> None:
    assert build_client_options(KafkaSettings()).keys() <= KafkaAdminClient.DEFAULT_CONFIG.keys()


def test_missing_certificate_is_a_bad_setting_before_anything_is_reached(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(BadSettings, match=r"ca\.pem"):
        connect(KafkaAdminClient, KafkaSettings(security_protocol="SSL", ssl_cafile=missing))


@pytest.mark.parametrize(
    ("files_by_field", "problem"),
    [
        ({"ssl_cafile": "nothing"}, "SSL_CAFILE: .* holds no certificates"),
        ({"ssl_certfile": "certificate"}, "a certificate and its own key"),
        ({"ssl_certfile": "certificate", "ssl_keyfile": "other"}, "a certificate and its own key"),
        ({"ssl_certfile": "certificate", "ssl_keyfile": "locked"}, "without a password"),
        ({"ssl_keyfile": "key"}, "of no use without ZOOMIN_KAFKA__SSL_CERTFILE"),
    ],
)
def test_files_that_no_client_can_use_are_bad_settings(
    tmp_path: Path, files_by_field: dict[str, str], problem: str
) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("worker")
    files = {"certificate": issued.certificate, "key": issued.key, "other": authority.issue("other").key}
    files |= {"nothing": tmp_path / "nothing.pem", "locked": tmp_path / "locked.pem"}
    files["nothing"].write_text("no PEM at all")
    key = load_pem_private_key(issued.key.read_bytes(), None)
    files["locked"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(BadSettings, match=problem):
        connect(KafkaAdminClient, KafkaSettings(**{field: files[name] for field, name in files_by_field.items()}))


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (kafka_errors.SaslAuthenticationFailedError("no"), "ZOOMIN_KAFKA__SASL_USERNAME and ZOOMIN_KAFKA__SASL_PASSW"),
        (kafka_errors.UnsupportedSaslMechanismError(), "does not offer our ZOOMIN_KAFKA__SASL_MECHANISM"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", "SSL_CAFILE"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, certificate is not valid "
            "for '10.0.0.1'",
            "BOOTSTRAP_SERVERS must name it as its certificate does",
        ),
        (
            "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca",
            "does not know the CA that signed our ZOOMIN_KAFKA__SSL",
        ),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "check the port and ZOOMIN_KAFKA__SECURITY_PROTOCOL"),
        ("[Errno 111] Connection refused", "check the network, ZOOMIN_KAFKA__BOOTSTRAP_SERVERS"),
    ],
)
def test_why_the_last_broker_refused_us_becomes_what_to_do(refusal: Exception | str, words: str) -> None:
    error = kafka_errors.KafkaTimeoutError("Unable to bootstrap")
    error.__cause__ = kafka_errors.KafkaConnectionError(refusal) if isinstance(refusal, str) else refusal
    login = KafkaSettings(
        security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="worker", sasl_password="secret-1"
    )
    assert words in build_connection_error(login, error).detail
