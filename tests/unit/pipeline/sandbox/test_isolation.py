import os
import signal
from collections.abc import Callable

import pytest

from pipeline.sandbox import isolation
from pipeline.sandbox.isolation import Died

GIBI = 1 << 30


def alone(work: Callable[[], object], *, deadline_s: float = 30.0, memory_bytes: int = 64 * GIBI) -> object:
    return isolation.alone(work, deadline_s=deadline_s, memory_bytes=memory_bytes)


def test_results_and_errors_come_back() -> None:
    assert alone(lambda: (1, "a")) == (1, "a")
    with pytest.raises(OSError, match="No space left"):
        alone(lambda: (_ for _ in ()).throw(OSError(28, "No space left")))


def test_it_is_another_process() -> None:
    seen: list[int] = []
    assert alone(lambda: seen.append(1) or os.getpid()) != os.getpid()
    assert seen == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_crash_ends_the_work_alone(number: signal.Signals) -> None:
    assert alone(lambda: os.kill(os.getpid(), number)) == Died(too_slow=False)


def test_what_never_ends_is_ended() -> None:
    assert alone(signal.pause, deadline_s=0.05) == Died(too_slow=True)


def test_memory_is_limited() -> None:
    with pytest.raises(MemoryError):
        alone(lambda: len(bytearray(80 * GIBI)))
