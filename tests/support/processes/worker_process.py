"""A worker as a child process: started, watched by its log and its port, stopped and killed as a test needs it."""

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
    """`command` is the module to run and its arguments; the log goes to `directory`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / f"worker-{time.monotonic_ns()}.log"
        settings = {"ZOOMIN_TELEMETRY__LOG_FORMAT": "json", "ZOOMIN_TELEMETRY__HTTP_PORT": "0", **environment}
        with self.log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdout=stream,
                stderr=stream,
                env={**os.environ, **settings},
                cwd=ROOT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it logged so far; the last line may be half written."""
        for line in self.log.read_text().rpartition("\n")[0].splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def started(self) -> Self:
        """Waits until it is ready to judge."""
        self.logged("worker_started", START_TIMEOUT_S)
        return self

    def logged(self, event: str, timeout_s: float) -> dict[str, Any]:
        """Waits for a log line of this name."""
        deadline = time.monotonic() + timeout_s
        running = True
        while running and time.monotonic() < deadline:
            running = self.running  # asked first: what it says last is still read
            for line in self.lines():
                if line["event"] == event:
                    return line
            time.sleep(0.1)
        raise AssertionError(f"no {event} in the log:\n{self.log.read_text()[-4000:]}")

    def get(self, path: str) -> str:
        """The answer of its HTTP port."""
        port = self.logged("worker_started", ANSWER_S)["http_port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=ANSWER_S) as response:
            return str(response.read().decode())

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self, timeout_s: float = ENDING_S) -> int:
        """Its exit code, once it has left by itself."""
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.running:
            self.signal(signal.SIGTERM)
        try:
            return self.ended()
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
