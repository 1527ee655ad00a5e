"""Work spread over processes that end at once when their parent is interrupted."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


def over_processes(work: Callable[[Job], Done], jobs: Iterable[Job], workers: int, *, chunk: int = 1) -> Iterator[Done]:
    """Results in the order of `jobs`; `work` is a function that a new process can import."""
    # Spawned, not forked: the parent may hold threads by now.
    with multiprocessing.get_context("spawn").Pool(workers, _leave_interrupts_to_parent) as pool:
        yield from pool.imap(work, jobs, chunk)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
