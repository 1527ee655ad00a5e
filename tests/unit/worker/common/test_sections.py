from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.registry.address import ModelAddress
from worker.common.sections import EngineSettings, FlowSettings, KafkaSettings, SamplingSettings, Section, StoreSettings
from worker.common.settings import Settings


def test_every_field_says_what_it_means() -> None:
    for info in Settings.model_fields.values():
        section = info.annotation
        assert isinstance(section, type)
        assert issubclass(section, Section)
        assert not [name for name, field in section.model_fields.items() if not field.description]


@pytest.mark.parametrize("mechanism", [None, "PLAIN"])
def test_sasl_needs_mechanism_user_and_password(mechanism: str | None) -> None:
    with pytest.raises(ValidationError, match="needs"):
        KafkaSettings.model_validate({"security_protocol": "SASL_SSL", "sasl_mechanism": mechanism})


@pytest.mark.parametrize("endpoint", ["ftp://s3.example", "s3.example", "https://me:secret@s3.example"])
def test_an_endpoint_is_http_without_credentials(endpoint: str) -> None:
    with pytest.raises(ValidationError, match=r"must start with http|not in the address"):
        StoreSettings(endpoint_url=endpoint)


@pytest.mark.parametrize("endpoint", ["http://", "https:///uploads", "http://:9000"])
def test_an_endpoint_names_a_host(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="names no host"):
        StoreSettings(endpoint_url=endpoint)


@pytest.mark.parametrize("region", ["eu west", "", "-eu", "eu_west_1"])
def test_a_region_is_a_name(region: str) -> None:
    with pytest.raises(ValidationError, match="no name of a region"):
        StoreSettings(region=region)


def test_a_list_of_names_is_separated_by_commas_and_blanks_do_not_count() -> None:
    assert StoreSettings.model_validate({"buckets": "a, b,,"}).buckets == {"a", "b"}


def test_a_fraction_is_at_most_one() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        SamplingSettings(control_fraction=1.5)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1])
def test_a_worker_judges_some_or_all_events(fraction: float) -> None:
    with pytest.raises(ValidationError, match="fraction"):
        FlowSettings(fraction=fraction)


REVISION = f"s3://weights/models/zoomin-7b/revisions/sha256-{'0' * 64}"


def test_a_model_is_a_directory_or_an_address_in_a_registry() -> None:
    assert EngineSettings.model_validate({"model": "models/mine"}).model == Path("models/mine")
    settings = EngineSettings.model_validate({"model": "s3://weights/models/zoomin-7b", "follow_s": 30})
    assert settings.model == ModelAddress("weights", "zoomin-7b")
    assert settings.model_dump(mode="json")["model"] == "s3://weights/models/zoomin-7b"
    assert str(EngineSettings.model_validate({"model": REVISION}).model) == REVISION


def test_an_address_that_is_none_is_refused_with_the_two_forms() -> None:
    with pytest.raises(
        ValidationError, match=r"s3://weights/zoomin-7b' is no model of a registry: s3://bucket/models/"
    ):
        EngineSettings.model_validate({"model": "s3://weights/zoomin-7b"})


@pytest.mark.parametrize("model", ["models/mine", REVISION])
def test_what_never_changes_cannot_be_followed(model: str) -> None:
    with pytest.raises(ValidationError, match=r"which never changes: set 0, or name s3://bucket/models/NAME"):
        EngineSettings.model_validate({"model": model, "follow_s": 30})
