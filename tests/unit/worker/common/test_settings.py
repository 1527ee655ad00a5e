import pytest

from pipeline.errors import BadSettings
from worker.common import settings


def test_names_are_section_and_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_STORE__BUCKETS", "a, b,")
    monkeypatch.setenv("ZOOMIN_FLOW__MAX_SPAN", "7")
    loaded = settings.load()
    assert loaded.store.buckets == {"a", "b"}
    assert loaded.flow.max_span == 7


def test_every_bad_field_is_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_FLOW__MAX_SPAN", "many")
    monkeypatch.setenv("ZOOMIN_STORE__ENDPOINT_URL", "ftp://x")
    monkeypatch.setenv("ZOOMIN_STORE__BUCKETZ", "a")
    monkeypatch.setenv("ZOOMIN_KAFKA__SASL_USERNAME", "u")
    monkeypatch.setenv("ZOOMIN_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(BadSettings) as caught:
        settings.load()
    for expected in (
        "ZOOMIN_FLOW__MAX_SPAN: Input should be a valid integer",
        "ZOOMIN_STORE__ENDPOINT_URL: must start with http",
        "ZOOMIN_STORE__BUCKETZ is not a setting",
        "security_protocol SASL_* needs",
    ):
        assert expected in caught.value.detail


def test_names_of_a_kubernetes_service_only_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("ZOOMIN_TRAIN_MINUTES", "3")
    settings.load()
    assert settings.stray_names() == ["ZOOMIN_PORT"]


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_SAMPLING__SALT", "planted-secret")
    loaded = settings.load()
    assert "planted-secret" not in repr(loaded) + loaded.model_dump_json()


def test_credentials_in_the_endpoint_are_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_STORE__ENDPOINT_URL", "https://me:planted-secret@s3.example")
    with pytest.raises(BadSettings, match="not in the address") as caught:
        settings.load()
    assert "planted-secret" not in caught.value.detail


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.load().flow.max_span = 1  # type: ignore[misc]
