import threading
from collections.abc import Iterator

import pytest

from training.common.ahead import map_ahead


def test_results_come_in_the_order_of_the_items_and_only_some_are_ahead() -> None:
    taken: list[int] = []

    def list_items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = map_ahead(lambda number: number * 2, list_items(), threads=2)
    assert next(results) == 0
    assert len(taken) <= 5
    assert list(results) == [2 * number for number in range(1, 100)]


def test_an_error_ends_it_and_begins_no_more() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def fail(number: int) -> int:
        with lock:
            begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        list(map_ahead(fail, range(1000), threads=2))
    assert len(begun) <= 5
