import os
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from training.common.parallel import run_alone, run_parallel
from training.errors import TrainingFailed


def ignore(done: int) -> None:
    del done


def test_results_come_in_order_and_are_counted() -> None:
    counted: list[int] = []
    assert run_parallel(abs, range(-6, 0), 2, after_each=counted.append) == [6, 5, 4, 3, 2, 1]
    assert counted == [1, 2, 3, 4, 5, 6]


def test_one_worker_is_this_process() -> None:
    counted: list[int] = []
    assert run_parallel(lambda _: os.getpid(), "ab", 1, after_each=counted.append) == [os.getpid()] * 2
    assert counted == [1, 2]


def test_a_failure_of_one_job_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        run_parallel(int, ["1", "two"], 2, after_each=ignore)


def test_a_process_that_dies_is_an_error_and_no_wait() -> None:
    with pytest.raises(BrokenProcessPool):
        run_parallel(os._exit, [3], 2, after_each=ignore)


def test_an_interrupt_leaves_the_waiting_jobs_undone(tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    jobs = [tmp_path / str(number) for number in range(1000)]
    with pytest.raises(KeyboardInterrupt):
        run_parallel(Path.touch, jobs, 2, after_each=interrupt)
    assert 1 <= len(list(tmp_path.iterdir())) < len(jobs)


def test_a_call_alone_runs_in_another_process_and_its_errors_come_back() -> None:
    assert run_alone(os.getpid) != os.getpid()
    with pytest.raises(ValueError, match="invalid literal"):
        run_alone(int, "two")


def test_a_call_alone_that_dies_is_told() -> None:
    with pytest.raises(TrainingFailed, match="died, perhaps for want of memory"):
        run_alone(os._exit, 3)
