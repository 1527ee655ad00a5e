"""Property tests draw the same examples on every machine and have no deadline, as in hypothesis' profile for CI."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.load_profile("ci")


@pytest.fixture(autouse=True)
def own_log_configuration() -> Iterator[None]:
    """Undo `configure_logging`: its loggers write to the stderr of one test, which pytest closes."""
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:  # pytest's own handlers are of classes below it
            root.removeHandler(handler)
