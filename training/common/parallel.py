"""Run jobs in parallel processes, or in this one when a single worker is wanted.

An interrupt waits for the jobs that run in other processes, so a job should take under a second.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from training.errors import TrainingFailed

Job = TypeVar("Job")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def run_parallel(
    work: Callable[[Job], Result], jobs: Iterable[Job], workers: int, *, after_each: Callable[[int], None]
) -> list[Result]:
    """Return the results in the order of `jobs`; the main thread calls it, and new processes must import `work`.

    `after_each` gets the number of finished jobs.
    """
    results: list[Result] = []
    if workers == 1:  # a second process would only add its start
        for job in jobs:
            results.append(work(job))
            after_each(len(results))
        return results
    # Spawned, not forked: the parent may hold threads by now.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        with _block_interrupts():
            futures = [pool.submit(work, job) for job in jobs]
        for future in futures:
            results.append(future.result())
            after_each(len(results))
    finally:
        # Not terminated: a process that dies while it sends a result can leave its reader waiting for ever.
        pool.shutdown(cancel_futures=True)
    return results


def run_alone(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Return the result of one call in a new process, whose memory is free afterwards; it must import `work`.

    Raises: TrainingFailed when the process dies; what `work` raises.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(work, *args, **kwargs).result()
        except BrokenProcessPool as error:
            raise TrainingFailed("the process of this step died, perhaps for want of memory; run it again") from error


@contextmanager
def _block_interrupts() -> Iterator[None]:
    """Start processes inside this context: they never get Ctrl-C, and this process gets it after the context."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
