import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from training.common.bound_command import bind_command

DEADLINE_S = 20.0
STARTER = """
import subprocess, sys
from training.common.bound_command import bind_command
child = subprocess.Popen(bind_command(["sleep", "60"]))
print(child.pid, flush=True)
child.wait()
"""


def test_a_command_runs_with_its_own_words_and_status(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import sys; sys.exit(len(sys.argv))", "a b", "c"]
    assert subprocess.run(bind_command(words), check=False, timeout=DEADLINE_S).returncode == 3


def test_a_command_ends_when_its_starter_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        command = int(starter.stdout.readline())
        starter.kill()
        starter.wait()
    try:
        deadline = time.monotonic() + DEADLINE_S
        while is_running(command):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        if is_running(command):
            os.kill(command, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
