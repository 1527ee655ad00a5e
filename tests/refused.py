"""For modules whose tests are refused by a Kafka that is not there.

The client leaves the socket of each refused connection to the garbage collector, which warns, and warnings are errors.
Use it as `pytestmark = refused.MARKS`, with `from tests.refused import collect_refused_sockets  # noqa: F401`.
"""

import gc
from collections.abc import Iterator

import pytest

MARKS = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("collect_refused_sockets"),
]


@pytest.fixture
def collect_refused_sockets(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Here, where the warning is expected, and not in some later test."""
    yield
    caplog.get_records("call").clear()  # their tracebacks hold the sockets
    gc.collect()
