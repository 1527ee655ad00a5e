"""Servers end with their parent, even if it is killed. Shells stand in for servers: they start fast."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.servers.services import eventually
from worker.local.child_supervisor import SupervisedProcess

# The parent forks once without exec, as engines do: that child inherits our end of the supervisor's pipe and stays.
PARENT = """
import os, sys, time
from pathlib import Path
from worker.local.child_supervisor import SupervisedProcess
home = Path(sys.argv[1])
script = "sleep 600 & echo $! > grandchild; wait"
server = SupervisedProcess(["sh", "-c", script], cwd=home, output=home / "log", remove=home)
forked = os.fork()
if forked == 0:
    time.sleep(600)
while not (home / "grandchild").exists() or not (home / "grandchild").read_text():
    time.sleep(0.05)
print(server.pid, (home / "grandchild").read_text().strip(), forked, flush=True)
time.sleep(600)
"""


def start_supervised(script: str, home: Path, *, grace_s: float = 10) -> SupervisedProcess:
    return SupervisedProcess(["sh", "-c", script], cwd=home, output=home / "log", grace_s=grace_s)


def test_a_killed_parent_takes_the_server_its_children_and_its_directory_along(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with subprocess.Popen([sys.executable, "-c", PARENT, str(home)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server, grandchild, forked = (int(word) for word in parent.stdout.readline().split())
        try:
            assert psutil.pid_exists(server)
            parent.kill()
            assert eventually(lambda: not psutil.pid_exists(server) and not psutil.pid_exists(grandchild))
            assert psutil.pid_exists(forked)
            assert eventually(lambda: not home.exists())
        finally:
            os.kill(forked, signal.SIGKILL)


def test_a_server_that_will_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    server = start_supervised("trap '' TERM; touch deaf; while true; do sleep 0.1; done", tmp_path, grace_s=0.3)
    assert eventually((tmp_path / "deaf").exists)
    server.stop()
    assert server.returncode == -signal.SIGKILL
    server.stop()  # a second time is harmless


def test_a_server_may_tidy_up_within_its_grace(tmp_path: Path) -> None:
    server = start_supervised("trap 'touch tidy; exit 0' TERM; touch ready; while true; do sleep 0.1; done", tmp_path)
    assert eventually((tmp_path / "ready").exists)
    server.stop()
    assert server.returncode == 0
    assert (tmp_path / "tidy").exists()


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9)])
def test_exit_code_of_a_server_is_known(tmp_path: Path, script: str, code: int) -> None:
    server = start_supervised(script, tmp_path)
    assert eventually(lambda: server.returncode is not None)
    assert server.returncode == code
    server.stop()


def test_a_missing_program_is_named_in_the_log(tmp_path: Path) -> None:
    server = SupervisedProcess([str(tmp_path / "nothing")], cwd=tmp_path, output=tmp_path / "log")
    assert server.pid is None
    assert eventually(lambda: server.returncode == 127)
    assert "nothing cannot be started" in (tmp_path / "log").read_text()
    server.stop()


def test_a_frozen_server_goes_on_or_is_killed(tmp_path: Path) -> None:
    server = start_supervised("touch ready; exec sleep 600", tmp_path)
    assert eventually((tmp_path / "ready").exists)
    assert server.pid is not None
    process = psutil.Process(server.pid)
    server.send(signal.SIGSTOP)
    assert eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    server.send(signal.SIGCONT)
    assert eventually(lambda: process.status() == psutil.STATUS_SLEEPING)
    server.send(signal.SIGSTOP)
    server.kill()
    assert not process.is_running()
