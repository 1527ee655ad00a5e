"""Runs a child process of a measurement: it reports that it is ready, then takes jobs and returns results as JSON."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.run.ground import BenchFailed
from tests.bench.run.processes import ending
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ANSWER_WITHIN_S = 900
LOG_CHARACTERS = 8000
"""of its end in an error: vLLM's traceback comes after that of its core"""


class Child:
    """The near end of a child process.

    Raises: BenchFailed from every method if the child has ended or does not answer.
    """

    def __init__(self, name: str, process: "subprocess.Popen[str]", log: Path) -> None:
        self._name = name
        self._process = process
        self._log = log
        self._ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> None:
        """Wait until it takes jobs."""
        if not self._ready:
            self.answer()
            self._ready = True

    def check(self) -> None:
        """Raise BenchFailed if it has ended."""
        if self._process.poll() is not None:
            raise self._build_error("ended")

    def perform(self, job: "DataclassInstance") -> Any:
        """Give it a job and return the result."""
        self.tell(job)
        return self.answer()

    def tell(self, job: "DataclassInstance") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        # A line is only written whole, and none is written before the one before it was read: nothing is buffered here.
        if not select.select([self._process.stdout], [], [], ANSWER_WITHIN_S)[0]:
            raise self._build_error(f"did not answer within {ANSWER_WITHIN_S} s")
        line = self._process.stdout.readline()
        if not line:
            raise self._build_error("ended")
        return json.loads(line)

    def _build_error(self, what: str) -> BenchFailed:
        return BenchFailed(f"{self._name} {what}; its log:\n{self._log.read_text(errors='replace')[-LOG_CHARACTERS:]}")


@contextmanager
def start_child(
    program: str | Path, log: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Start a child from the name of a module or from a file; it and all processes below it are gone afterwards."""
    name, command = (program.stem, [str(program)]) if isinstance(program, Path) else (program, ["-m", program])
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env={**os.environ, **(environment or {})},
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C reaches it as our decision
        )
    with process, ending(process.pid, grace_s=1):
        yield Child(name.rpartition(".")[2], process, log)
