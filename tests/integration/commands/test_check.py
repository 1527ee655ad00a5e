import json

import pytest
from kafka.admin import ResourceType

from tests.support.paths import MODEL
from tests.support.processes.commands import run_command
from tests.support.servers.secured import SecuredKafka
from tests.support.servers.services import KafkaForTests, S3ForTests
from worker.commands import check
from worker.common.sections import EngineSettings, KafkaSettings, StoreSettings
from worker.common.settings import Settings


@pytest.fixture
def settings(kafka: KafkaForTests, seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            input_topic=kafka.create_topic("images"),
            verdict_topic=kafka.create_topic("verdicts"),
            dead_letter_topic=kafka.create_dead_letter_topic("images.dlt"),
        ),
        store=StoreSettings(
            endpoint_url=seaweedfs.endpoint_url, buckets=frozenset([seaweedfs.create_bucket("uploads")])
        ),
        engine=EngineSettings(model=MODEL),
    )


def test_what_can_be_reached_is_said(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(check, "--connect", "--json", settings=settings) == 0
    tried = {what: well for what, _result, well in json.loads(capsys.readouterr().out)["connections"]}
    assert tried == dict.fromkeys(
        ["model", "engine", "kafka", "collect", "buckets", f"bucket {next(iter(settings.store.buckets))}"], True
    )


def test_no_bucket_at_all_is_a_wrong_setting(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    without = settings.model_copy(update={"store": settings.store.model_copy(update={"buckets": frozenset()})})
    assert run_command(check, "--connect", settings=without) == 2
    (failed,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert "ZOOMIN_STORE__BUCKETS" in failed


def test_every_failure_is_named_and_none_hides_the_next(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    broken = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"verdict_topic": "no-such-topic"}),
            "store": settings.store.model_copy(update={"buckets": frozenset(["no-such-bucket"])}),
            "engine": EngineSettings(model=MODEL / "nowhere"),
        }
    )
    assert run_command(check, "--connect", settings=broken) == 2, "no model is there: a setting is wrong"
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert [line.split()[1].rstrip(":") for line in failed] == ["model", "kafka", "bucket"]
    assert "no-such-topic" in failed[1]
    assert "no-such-bucket" in failed[2]


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_rights_that_are_missing_are_named(
    secured_kafka: SecuredKafka, settings: Settings, delivery: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {
        field.removeprefix("ZOOMIN_KAFKA__").lower(): value
        for field, value in secured_kafka.build_password_settings().items()
    }
    topics = {
        "input_topic": secured_kafka.kafka.create_topic("images"),
        "verdict_topic": secured_kafka.kafka.create_topic("verdicts"),
        "dead_letter_topic": secured_kafka.kafka.create_dead_letter_topic("images.dlt"),
    }
    kafka = KafkaSettings(**names, **topics, group_id=f"group-{topics['input_topic']}", delivery=delivery)  # type: ignore[arg-type]
    ours = settings.model_copy(update={"kafka": kafka})
    assert run_command(check, "--connect", settings=ours) == 0
    for right, kind, name in (
        ("READ", ResourceType.TOPIC, kafka.input_topic),
        ("WRITE", ResourceType.TOPIC, kafka.verdict_topic),
        ("WRITE", ResourceType.TOPIC, kafka.dead_letter_topic),
        ("READ", ResourceType.GROUP, kafka.group_id),
    ):
        with secured_kafka.deny(right, name, kind):
            capsys.readouterr()
            assert run_command(check, "--connect", settings=ours) == 1
        (failed,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
        assert f"right {right}" in failed
        assert name in failed


def test_a_dead_letter_topic_without_headroom_is_named_with_its_limit(
    settings: Settings, kafka: KafkaForTests, capsys: pytest.CaptureFixture[str]
) -> None:
    tight = settings.kafka.model_copy(update={"dead_letter_topic": kafka.create_topic("tight.dlt")})
    assert run_command(check, "--connect", settings=settings.model_copy(update={"kafka": tight})) == 1
    assert "max.message.bytes to" in capsys.readouterr().out


def test_the_reference_page_names_every_setting_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    secret = Settings(
        kafka=KafkaSettings(
            security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="u", sasl_password="open-sesame"
        )
    )
    assert run_command(check, settings=secret) == 0
    output = capsys.readouterr().out
    assert "open-sesame" not in output
    for name in ("ZOOMIN_KAFKA__SASL_PASSWORD", "ZOOMIN_FLOW__MAX_SPAN", "what a crash repeats at most"):
        assert name in output
