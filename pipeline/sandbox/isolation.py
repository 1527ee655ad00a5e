"""One piece of work in a forked process of its own: what crashes, hangs or eats memory there ends there.

For processes with one thread: a fork takes only the calling thread along.
"""

import os
import pickle
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Died:
    """The work ended its process; `too_slow` if by its deadline."""

    too_slow: bool


def alone(work: Callable[[], Result], *, deadline_s: float, memory_bytes: int) -> Result | Died:
    """What `work` returns or raises, with `memory_bytes` of address space and `deadline_s` for it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, writing, deadline_s, memory_bytes)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    if status:
        return Died(too_slow=os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM)
    result = pickle.loads(answer)  # noqa: S301 - from our own child
    if isinstance(result, Exception):
        raise result
    return result  # type: ignore[no-any-return]


def _work(work: Callable[[], object], writing: int, deadline_s: float, memory_bytes: int) -> NoReturn:
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # no handler: it also ends what never comes back to Python
        signal.setitimer(signal.ITIMER_REAL, deadline_s)
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised again by the parent
            result = error
        with os.fdopen(writing, "wb") as stream:
            pickle.dump(result, stream)
        status = 0
    finally:
        os._exit(status)  # nothing of the parent's is flushed or cleaned up a second time
