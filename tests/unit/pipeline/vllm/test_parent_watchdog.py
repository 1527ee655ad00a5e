import os
import select
import subprocess
import sys

from pipeline.vllm.parent_watchdog import read_parent

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


def test_the_parent_of_a_process_is_read_and_that_of_none_is_none() -> None:
    assert read_parent(os.getpid()) == os.getppid()
    assert read_parent(2**31 - 1) is None


def test_a_core_ends_when_its_front_is_killed() -> None:
    front = subprocess.Popen(
        [sys.executable, "-c", FRONT, CORE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert front.stdout
    assert front.stdin
    with front.stdout, front.stdin:
        core = int(front.stdout.readline())
        assert read_parent(core) == front.pid
        descriptor = os.pidfd_open(core)
        front.kill()
        front.wait()
        gone = select.select([descriptor], [], [], 20)[0]
        os.close(descriptor)
    assert gone == [descriptor]
