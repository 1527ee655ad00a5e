import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.vllm.parent_watchdog import read_parent
from tests.support.paths import ROOT

CORE = """
import time
from pipeline.vllm.parent_watchdog import ParentWatchdog
import os, sys
ParentWatchdog().watch_parent(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(60)
"""
FRONT = """
import os, subprocess, sys
core = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=subprocess.PIPE, text=True)
print(core.stdout.readline(), flush=True)
sys.stdin.read()
"""

STARTER = """
import multiprocessing, sys, threading
from pipeline.vllm.parent_watchdog import end_with_parent

def wait():
    end_with_parent()
    print(multiprocessing.current_process().pid, flush=True)
    threading.Event().wait()

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=wait).start()
    sys.stdin.read()
"""


def test_the_parent_of_a_process_is_read_and_that_of_none_is_none() -> None:
    assert read_parent(os.getpid()) == os.getppid()
    assert read_parent(2**31 - 1) is None


def test_a_core_ends_when_its_front_is_killed() -> None:
    with start("-c", FRONT, CORE) as front:
        core = int(read_line(front))
        assert read_parent(core) == front.pid
        assert ends_after_kill(core, of=front)


def test_a_child_by_multiprocessing_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "starter.py"
    program.write_text(STARTER)
    with start(str(program)) as parent:
        child = int(read_line(parent))
        assert read_parent(child) == parent.pid
        assert ends_after_kill(child, of=parent)


@contextmanager
def start(*arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """Run Python with these arguments; it sees the end of its stdin when the context ends."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with process:
        yield process


def ends_after_kill(child: int, *, of: "subprocess.Popen[str]") -> bool:
    descriptor = os.pidfd_open(child)
    of.kill()
    of.wait()
    ended = select.select([descriptor], [], [], 20)[0]
    os.close(descriptor)
    return ended == [descriptor]


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline()
