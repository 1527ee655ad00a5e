"""The annotation endpoints that the settings name."""

from urllib.parse import urlsplit

from pydantic import SecretStr

from pipeline.errors import BadSettings
from training.annotation.endpoint import Endpoint
from training.settings import TrainSettings


def read_endpoints(settings: TrainSettings) -> tuple[Endpoint | None, Endpoint | None]:
    """Return the endpoint that explains and the one that grounds; None where the settings name no address.

    Raises: BadSettings for an invalid address, or an endpoint without a model.
    """
    explain = settings.explain_url, settings.explain_key, settings.explain_model, settings.explain_usd_per_million
    ground = settings.ground_url, settings.ground_key, settings.ground_model, settings.ground_usd_per_million
    return _build_endpoint("explain", *explain, settings), _build_endpoint("ground", *ground, settings)


def _build_endpoint(
    role: str, url: str, key: SecretStr, model: str, usd_per_million: tuple[float, float], settings: TrainSettings
) -> Endpoint | None:
    if not url:
        return None
    if not model:
        raise BadSettings(f"ZOOMIN_TRAIN_{role.upper()}_URL is set and names no model: set _MODEL too")
    if not _is_address(url):
        raise BadSettings(f"ZOOMIN_TRAIN_{role.upper()}_URL is {url!r}, which is no address: https://host/v1")
    return Endpoint(role, url, key, model, usd_per_million, settings.endpoint_timeout_s, settings.endpoint_attempts)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port
        return False
