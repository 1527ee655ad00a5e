import time

import psutil
import pytest
from rich.console import Console

from worker.demo.child import Demo, build_child_error, get_log_path, run_child


@pytest.fixture
def demo(tmp_path):
    return Demo(tmp_path, Console(stderr=True))


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_error_takes_the_child_along_however_long_it_would_work(demo):
    sleeping = ["timeit", "-n", "1", "-r", "1", "__import__('time').sleep(60)"]
    pids = []

    def fail_beside_it():
        with run_child(demo, "sleeper", sleeping, grace_s=60) as process:
            assert process.returncode is None
            pids.append(process.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_beside_it()
    assert is_gone(pids[0])


def test_what_a_child_said_last_is_in_the_error(demo):
    with run_child(demo, "broken", ["json.tool", "/no/such/file"], grace_s=1) as process:
        while process.returncode is None:
            time.sleep(0.02)
        error = build_child_error(demo, "broken", process.returncode)
    assert "broken" in error.detail
    assert "/no/such/file" in error.detail
    assert str(get_log_path(demo, "broken")) in error.detail


def test_a_log_begins_anew(demo):
    get_log_path(demo, "broken").write_text("yesterday")
    with run_child(demo, "broken", ["json.tool", "/no/such/file"], grace_s=1) as process:
        while process.returncode is None:
            time.sleep(0.02)
    assert "yesterday" not in get_log_path(demo, "broken").read_text()
