"""Work spread over processes: an interrupt ends it with the jobs that are running, so keep a job under a second."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


def run_parallel(
    work: Callable[[Job], Done], jobs: Iterable[Job], workers: int, *, after_each: Callable[[int], None]
) -> list[Done]:
    """Results in the order of `jobs`; `work` is a function that a new process can import. For the main thread.

    `after_each` is told how many are done.
    """
    done: list[Done] = []
    # Spawned, not forked: the parent may hold threads by now.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        with _interrupts_for_us_alone():
            futures = [pool.submit(work, job) for job in jobs]
        for future in futures:
            done.append(future.result())
            after_each(len(done))
    finally:
        # Not terminated: a process that dies while it hands over a result can leave its reader waiting for ever.
        pool.shutdown(cancel_futures=True)
    return done


@contextmanager
def _interrupts_for_us_alone() -> Iterator[None]:
    """Processes that start in here never hear Ctrl-C, not even while they import; this one hears it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
