import pytest

from training.spread import over_processes


def test_results_come_in_order() -> None:
    assert list(over_processes(abs, range(-6, 0), 2, chunk=2)) == [6, 5, 4, 3, 2, 1]


def test_a_failure_of_one_job_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(over_processes(int, ["1", "two"], 1))
