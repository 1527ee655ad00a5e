"""The project's commands, run as a user runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import FatalError

TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Commands:
    environment: Mapping[str, str]

    def run(self, module: str, *arguments: str, timeout_s: float = TIMEOUT_S, is_watched: bool = False) -> str:
        """Return the command's stdout; its progress and errors go to our stderr if it is watched.

        Raises: FatalError with the end of its stderr.
        """
        finished = self.try_run(module, *arguments, timeout_s=timeout_s, is_watched=is_watched)
        if finished.returncode:
            errors = "see above" if is_watched else finished.stderr[-2000:]
            raise FatalError(f"{module} {' '.join(arguments)} ended with {finished.returncode}: {errors}")
        return finished.stdout

    def try_run(
        self, module: str, *arguments: str, timeout_s: float = TIMEOUT_S, is_watched: bool = False
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command whose exit code is part of its answer."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self._build_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if is_watched else subprocess.PIPE,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @contextmanager
    def follow(self, module: str, *arguments: str, into: Path) -> Iterator[None]:
        """Run a command that does not end by itself, its stdout in a file; kill it after the `with` block."""
        with into.open("wb") as stream:
            command = [sys.executable, "-m", module, *arguments]
            process = subprocess.Popen(command, env=self._build_environment(), stdout=stream)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def run_json(
        self, module: str, *arguments: str, timeout_s: float = TIMEOUT_S, is_watched: bool = False
    ) -> dict[str, Any]:
        """Return the object in the last line of the command's output."""
        return parse_last_line(self.run(module, *arguments, "--json", timeout_s=timeout_s, is_watched=is_watched))

    def _build_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}


def parse_last_line(output: str) -> dict[str, Any]:
    """Return the object in the last line of what a command printed with --json."""
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result
