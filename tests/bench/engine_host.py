"""The near end of a bare engine's process: started at once, asked when it is ready, gone at the end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from subprocess import Popen

from tests.bench.engine_process import READY
from tests.bench.ground import BenchFailed
from tests.bench.job import EvaluationJob, EvaluationResult, Job, PlainJob, Result
from tests.bench.processes import ending
from tests.support.paths import ROOT


class EngineHost:
    def __init__(self, process: "Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log
        self._ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> None:
        """Returns when the engine can be asked.

        Raises: BenchFailed when it does not start.
        """
        if not self._ready:
            self._ready = self._answer() == READY

    def perform(self, job: Job) -> Result:
        """Raises: BenchFailed."""
        self._tell(job)
        return Result(**json.loads(self._answer()))

    def evaluate(self, job: EvaluationJob) -> EvaluationResult:
        """Raises: BenchFailed."""
        self._tell(job)
        return EvaluationResult(**json.loads(self._answer()))

    @contextmanager
    def consuming(self, job: PlainJob) -> Iterator[None]:
        """Inside, it is a plain consumer; the end waits until it has answered all of its events."""
        self._tell(job)
        yield
        self._answer()

    def _tell(self, job: Job | EvaluationJob | PlainJob) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed(f"the bare engine ended; its log:\n{self._log.read_text(errors='replace')[-2000:]}")
        return line.strip()


@contextmanager
def engine_host(model: Path, log: Path, *options: str) -> Iterator[EngineHost]:
    """A bare engine that is starting."""
    with log.open("wb") as stream:
        process = Popen(
            [sys.executable, "-m", "tests.bench.engine_process", str(model), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C reaches it as our decision
        )
    with process, ending(process.pid, grace_s=1):
        yield EngineHost(process, log)
