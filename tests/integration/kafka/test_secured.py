"""A worker, Kafka behind TLS with passwords or client certificates, and S3 behind TLS; all certificates made here."""

from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.builders import build_noise, encode_image
from tests.support.processes.worker_process import REAL, STANDIN
from tests.support.servers.certificates import Authority
from tests.support.servers.secured import SecuredKafka, SecuredS3
from tests.support.servers.services import KafkaForTests, S3ForTests, eventually
from tests.support.site import Site

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.mark.parametrize("way", ["password", "certificate"])
def test_an_event_is_judged_through_tls(
    way: str, secured_kafka: SecuredKafka, authority: Authority, seaweedfs: S3ForTests, tmp_path: Path
) -> None:
    settings = (
        secured_kafka.build_password_settings()
        if way == "password"
        else secured_kafka.build_certificate_settings(authority.issue("worker"))
    )
    site = Site(secured_kafka.kafka, seaweedfs, tmp_path, settings=settings)
    site.send({"schema_version": 1, "url": site.upload("a.png", encode_image(build_noise(), "PNG")), "id": "a"})
    with site.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        verdicts, letters = site.wait_for_answers(1)
        assert worker.stop() == 0
    assert ([verdict.event_id for verdict in verdicts], letters) == (["a"], [])


def test_who_is_refused_by_kafka_says_which_setting_to_look_at(
    secured_kafka: SecuredKafka, authority: Authority, seaweedfs: S3ForTests, tmp_path: Path
) -> None:
    unknown_authority = Authority(tmp_path, "unknown")
    foreign = secured_kafka.build_certificate_settings(unknown_authority.issue("worker"))
    without_certificate = secured_kafka.build_certificate_settings(authority.issue("worker"))
    del without_certificate["ZOOMIN_KAFKA__SSL_CERTFILE"], without_certificate["ZOOMIN_KAFKA__SSL_KEYFILE"]
    unknown = {"ZOOMIN_KAFKA__SSL_CAFILE": str(unknown_authority.file)}
    plain = {"ZOOMIN_KAFKA__BOOTSTRAP_SERVERS": secured_kafka.kafka.bootstrap_servers}
    named = {
        "SASL_PASSWORD": secured_kafka.build_password_settings("wrong-horse"),
        "SASL_MECHANISM": secured_kafka.build_password_settings() | {"ZOOMIN_KAFKA__SASL_MECHANISM": "SCRAM-SHA-256"},
        "SSL_CAFILE": secured_kafka.build_password_settings() | unknown,
        "SSL_CERTFILE and": without_certificate,
        "our ZOOMIN_KAFKA__SSL_CERTFILE": foreign,
        "SECURITY_PROTOCOL": secured_kafka.build_password_settings() | plain,
    }
    with ExitStack() as stack:  # side by side: each has the patience to wait for a broker
        tried = []
        for name, settings in named.items():
            site = Site(secured_kafka.kafka, seaweedfs, tmp_path, settings=settings)
            tried.append((name, site, stack.enter_context(site.build_worker(*REAL))))
        for name, site, worker in tried:
            code, log = worker.wait_until_ended(120), worker.log.read_text()
            (sentence,) = [line for line in log.splitlines() if line.startswith("zoomin run: ")]
            assert code == 1, log
            assert f"{name}" in sentence
            assert "wrong-horse" not in log
            assert "Traceback" not in log
            assert _state(secured_kafka.kafka, site) == "Dead", "no such group has ever been"


def test_images_are_fetched_from_an_s3_with_a_private_authority(
    secured_s3: SecuredS3, authority: Authority, kafka: KafkaForTests, tmp_path: Path
) -> None:
    settings = {"ZOOMIN_STORE__ENDPOINT_URL": secured_s3.url, "AWS_CA_BUNDLE": str(authority.file)}
    site = Site(kafka, secured_s3.s3, tmp_path, settings=settings)
    labels = secured_s3.s3.create_labeling_bucket()
    site.settings |= {"ZOOMIN_SAMPLING__BUCKET": labels, "ZOOMIN_SAMPLING__CONTROL_FRACTION": "1"}
    site.upload("a.png", encode_image(build_noise(), "PNG"))
    site.send({"schema_version": 1, "url": f"{secured_s3.url}/{site.bucket}/a.png?X-Amz-Expires=9", "id": "a"})
    with site.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        verdicts, letters = site.wait_for_answers(1)
        assert worker.stop() == 0
    assert ([verdict.event_id for verdict in verdicts], letters) == (["a"], [])
    assert len(secured_s3.s3.client.list_objects_v2(Bucket=labels)["Contents"]) == 2


def test_an_s3_whose_authority_is_unknown_ends_the_start(
    secured_s3: SecuredS3, kafka: KafkaForTests, tmp_path: Path
) -> None:
    bundles = ({}, {"AWS_CA_BUNDLE": str(Authority(tmp_path).file)}, {"AWS_CA_BUNDLE": str(tmp_path / "missing.pem")})
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Site(
                    kafka, secured_s3.s3, tmp_path, settings={"ZOOMIN_STORE__ENDPOINT_URL": secured_s3.url, **bundle}
                ).build_worker(*REAL)
            )
            for bundle in bundles
        ]
        for worker in workers:
            assert worker.wait_until_ended() == 1
            log = worker.log.read_text()
            (sentence,) = [line for line in log.splitlines() if line.startswith("zoomin run: ")]
            assert "AWS_CA_BUNDLE" in sentence
            assert "Traceback" not in log


def _state(kafka: KafkaForTests, site: Site) -> str:
    """Return the state of the site's group; a broker that has had no group yet first makes the topic for them."""
    from kafka import KafkaAdminClient
    from kafka.errors import CoordinatorNotAvailableError

    group = site.environment["ZOOMIN_KAFKA__GROUP_ID"]
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    states: list[str] = []

    def is_known() -> bool:
        with suppress(CoordinatorNotAvailableError):
            states.append(str(admin.describe_groups([group])[group]["group_state"]))
        return bool(states)

    try:
        assert eventually(is_known)
        return states[0]
    finally:
        admin.close()
