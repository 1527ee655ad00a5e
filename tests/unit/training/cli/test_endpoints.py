import pytest

from pipeline.errors import BadSettings
from training.cli.endpoints import read_endpoints
from training.settings import TrainSettings


def test_an_endpoint_is_read_where_the_settings_name_an_address() -> None:
    settings = TrainSettings(explain_url="http://127.0.0.1:9/v1", explain_model="some-model")
    explain, ground = read_endpoints(settings)
    assert explain is not None
    assert (explain.role, explain.url, explain.model) == ("explain", "http://127.0.0.1:9/v1", "some-model")
    assert ground is None


def test_an_invalid_address_is_refused() -> None:
    with pytest.raises(BadSettings, match="GROUND_URL is 'nonsense', which is no address"):
        read_endpoints(TrainSettings(ground_url="nonsense", ground_model="some-model"))
