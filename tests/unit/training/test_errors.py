import pytest

from pipeline.errors import FatalError, OutageError, TransientError, ZoomInError
from training.errors import EndpointDead, EndpointUnavailable, RateLimited, TrainingFailed


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (RateLimited, TransientError, "rate_limited"),
        (EndpointUnavailable, OutageError, "endpoint_unavailable"),
        (EndpointDead, FatalError, "endpoint_dead"),
        (TrainingFailed, FatalError, "training_failed"),
    ],
)
def test_each_says_by_its_kind_what_to_do(error: type[ZoomInError], kind: type[ZoomInError], code: str) -> None:
    assert issubclass(error, kind)
    assert error("why").code == code
