"""Processes that have imported the libraries of training before a test starts them: forks of one server.

    python -m tests.support.processes.warm_processes    (the server; `WarmServer` starts it and talks to it)

Importing torch, TRL and vLLM takes a process of its own ten seconds of CPU time and more; a fork takes a moment.
Invariant: the server has one thread and computes nothing, so a fork finds every lock open.
"""

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Self

from training.settings import apply_process_environment

PRELOADED = ("training.sft.run", "training.grpo.run", "training.synthetic.scene_files")
ENDING_S = 60.0


class WarmProcess:
    """A fork that runs a module; its output goes to files in its directory."""

    def __init__(self, server: "WarmServer", pid: int, directory: Path) -> None:
        self.pid = pid
        self._server = server
        self._directory = directory
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self._code is None:
            self._code = self._server.ask(poll=self.pid)
        return self._code

    def wait(self, timeout_s: float) -> int:
        """Return the exit code. Raises: AssertionError when the time is over."""
        ends = time.monotonic() + timeout_s
        while (code := self.poll()) is None:
            assert time.monotonic() < ends, f"it did not end: {self.errors[-2000:]}"
            time.sleep(0.05)
        return code

    def wait_until(self, reached: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `reached` is true. Raises: AssertionError when the process ends or the time is over."""
        ends = time.monotonic() + timeout_s
        while not reached():
            assert self.poll() is None, f"it ended with {self._code}: {self.errors[-2000:]}"
            assert time.monotonic() < ends, f"it did not come so far: {self.errors[-2000:]}"
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait(ENDING_S)

    @property
    def output(self) -> str:
        return (self._directory / "stdout").read_text()

    @property
    def errors(self) -> str:
        return (self._directory / "stderr").read_text()


class WarmServer:
    """Starts the server with the first process, and ends both; `directory` takes the output of all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server: subprocess.Popen[str] | None = None
        self._started: list[WarmProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is None:
            return
        for process in self._started:
            process.kill()
        self._server.communicate(timeout=ENDING_S)

    def start(self, module: str, *arguments: str, **environment: str) -> WarmProcess:
        """Run `python -m module arguments`, with `environment` added to this process's own."""
        directory = self._directory / str(len(self._started))
        directory.mkdir()
        pid = self.ask(
            run=[module, *arguments], environment=dict(os.environ) | environment, directory=str(directory.resolve())
        )
        self._started.append(WarmProcess(self, pid, directory))
        return self._started[-1]

    def ask(self, **request: Any) -> Any:
        """Return the server's answer, which it gives at once."""
        if self._server is None:
            command = [sys.executable, "-m", __name__]
            self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer each request with the process id of a new fork, or with the exit code of an old one."""
    apply_process_environment(1)  # before torch is imported, as `zoomin-train` does
    for module in PRELOADED:
        importlib.import_module(module)
    for line in requests:
        request = json.loads(line)
        answer = _poll(request["poll"]) if "poll" in request else _fork(request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _poll(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _fork(request: Mapping[str, Any]) -> int:
    """Return the fork's process id; the fork itself never returns."""
    if pid := os.fork():
        return pid
    _redirect("/dev/null", 0, os.O_RDONLY)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        _redirect(f"{request['directory']}/{name}", descriptor, os.O_WRONLY | os.O_CREAT)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["run"][1:]
    runpy.run_module(request["run"][0], run_name="__main__", alter_sys=True)
    sys.exit()


def _redirect(path: str, descriptor: int, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
