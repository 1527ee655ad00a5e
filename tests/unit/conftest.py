"""Property tests draw the same examples on every machine and have no deadline, as in hypothesis' profile for CI."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.load_profile("ci")


@pytest.fixture(autouse=True)
def own_log_configuration() -> Iterator[None]:
    """Undo `configure_logging`: its logger writes to the stderr of one test, which pytest closes."""
    yield
    structlog.reset_defaults()
