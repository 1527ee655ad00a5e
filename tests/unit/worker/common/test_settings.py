import pytest

from pipeline.errors import BadSettings
from worker.common import settings


def test_names_are_section_and_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_STORE__BUCKETS", "a, b,")
    monkeypatch.setenv("ZOOMIN_FLOW__MAX_SPAN", "7")
    loaded = settings.load_settings()
    assert loaded.store.buckets == {"a", "b"}
    assert loaded.flow.max_span == 7


def test_every_bad_field_is_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_FLOW__MAX_SPAN", "many")
    monkeypatch.setenv("ZOOMIN_STORE__ENDPOINT_URL", "ftp://x")
    monkeypatch.setenv("ZOOMIN_STORE__BUCKETZ", "a")
    monkeypatch.setenv("ZOOMIN_KAFKA__SASL_USERNAME", "u")
    monkeypatch.setenv("ZOOMIN_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(BadSettings) as caught:
        settings.load_settings()
    for expected in (
        "ZOOMIN_FLOW__MAX_SPAN: Input should be a valid integer",
        "ZOOMIN_STORE__ENDPOINT_URL: must start with http",
        "ZOOMIN_STORE__BUCKETZ is not a setting",
        "security_protocol SASL_* needs",
    ):
        assert expected in caught.value.detail


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ZOOMIN_STORE__BUCKETZ", "did you mean ZOOMIN_STORE__BUCKETS?"),
        ("ZOOMIN_KAFKA__BOOTSTRAP_SERVER", "did you mean ZOOMIN_KAFKA__BOOTSTRAP_SERVERS?"),
        ("ZOOMIN_FLOWS__MAX_SPAN", "did you mean ZOOMIN_FLOW__MAX_SPAN?"),
        ("ZOOMIN_STORE__COLOUR", "`zoomin check --help` shows"),
    ],
)
def test_a_mistyped_name_is_told_the_setting_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(BadSettings) as caught:
        settings.load_settings()
    assert caught.value.detail.startswith(f"{name} is not a setting; {hint}")


@pytest.mark.parametrize("value", ["3", "many"])
def test_a_section_with_a_value_is_named_with_a_field_to_set(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ZOOMIN_FLOW", value)
    with pytest.raises(BadSettings, match=r"^ZOOMIN_FLOW is a section and takes no value; .* ZOOMIN_FLOW__[A-Z_]+$"):
        settings.load_settings()
    assert settings.list_stray_names() == []


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("ZOOMIN_KAFKA_GROUP_ID", "ZOOMIN_KAFKA__GROUP_ID"), ("ZOOMIN_SERVICE_PORT", None), ("ZOOMIN_PORT", None)],
)
def test_a_name_without_its_section_is_told_the_setting_that_was_meant(name: str, suggestion: str | None) -> None:
    assert settings.suggest_name(name) == suggestion


def test_names_of_a_kubernetes_service_only_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("ZOOMIN_TRAIN_MINUTES", "3")
    settings.load_settings()
    assert settings.list_stray_names() == ["ZOOMIN_PORT"]


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_SAMPLING__SALT", "planted-secret")
    loaded = settings.load_settings()
    assert "planted-secret" not in repr(loaded) + loaded.model_dump_json()


def test_credentials_in_the_endpoint_are_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_STORE__ENDPOINT_URL", "https://me:planted-secret@s3.example")
    with pytest.raises(BadSettings, match="not in the address") as caught:
        settings.load_settings()
    assert "planted-secret" not in caught.value.detail


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.load_settings().flow.max_span = 1  # type: ignore[misc]
