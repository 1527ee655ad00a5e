"""Run a function over many items in threads, a bounded number ahead of the reader."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """Yield the results in the order of `items`; at most `2 * threads` are computed or waiting.

    An error ends it; work that has begun is waited for, and no more is begun.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Future[Result]] = []
        submitted = (pool.submit(work, item) for item in items)
        try:
            waiting.extend(islice(submitted, 2 * threads))
            while waiting:
                yield waiting.pop(0).result()
                waiting.extend(islice(submitted, 1))
        finally:
            pool.shutdown(cancel_futures=True)
