"""A worker as a child process that a test starts, watches by log and port, stops and kills."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.paths import ROOT

REAL = ("worker", "run")
STANDIN = ("tests.support.processes.standin_worker",)
START_TIMEOUT_S = 600  # an engine on a busy machine
ENDING_S = 120
ANSWER_S = 30


class WorkerProcess:
    """`command` is the module to run and its arguments; the log goes to `directory`. `code` is a checkout."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, *, code: Path = ROOT
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / f"worker-{time.monotonic_ns()}.log"
        settings = {"ZOOMIN_TELEMETRY__LOG_FORMAT": "json", "ZOOMIN_TELEMETRY__HTTP_PORT": "0", **environment}
        with self.log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdout=stream,
                stderr=stream,
                env={**os.environ, **settings},
                cwd=code,  # modules are looked for there first
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def read_log(self) -> Iterator[dict[str, Any]]:
        """Yield the log lines that are complete so far."""
        for line in self.log.read_text().rpartition("\n")[0].splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def wait_until_started(self) -> Self:
        """Wait until the worker is ready to judge."""
        self.wait_for_log("worker_started", START_TIMEOUT_S)
        return self

    def wait_for_log(self, event: str, timeout_s: float) -> dict[str, Any]:
        """Wait for a log line of this name and return it."""
        deadline = time.monotonic() + timeout_s
        running = True
        while running and time.monotonic() < deadline:
            running = self.running  # read before the log, so that its last lines are not missed
            for line in self.read_log():
                if line["event"] == event:
                    return line
            time.sleep(0.1)
        raise AssertionError(f"no {event} in the log:\n{self.log.read_text()[-4000:]}")

    def get(self, path: str) -> str:
        """Return the answer of the worker's HTTP port."""
        port = self.wait_for_log("worker_started", ANSWER_S)["http_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=ANSWER_S) as response:
            return str(response.read().decode())

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait_until_ended(self, timeout_s: float = ENDING_S) -> int:
        """Wait until the worker has left by itself; return its exit code."""
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        if self.running:
            self.signal(signal.SIGTERM)
        try:
            return self.wait_until_ended()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.running:
            self._process.kill()
        self._process.wait()
