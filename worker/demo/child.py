"""The demo's console and its child processes, each with a log file in the demo's directory."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pipeline.errors import FatalError
from worker.cli.terminal import visible
from worker.common.settings import inherited
from worker.local.child_supervisor import GuardedProcess

LOG_LINES = 8
LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Demo:
    """One run: its directory, and where its sentences go (stderr where stdout is for programs)."""

    directory: Path
    out: Console
    began: float = field(default_factory=time.monotonic)

    def say(self, sentence: str) -> None:
        self.out.print(Text.assemble((f"{time.monotonic() - self.began:4.0f} s  ", "dim"), visible(sentence)))


@contextmanager
def child(demo: Demo, name: str, command: Sequence[str], *, grace_s: float) -> Iterator[GuardedProcess]:
    """A module of ours as a process that ends with us; asked to end when all went well, else at once."""
    log = log_of(demo, name)
    log.unlink(missing_ok=True)
    process = GuardedProcess(
        [sys.executable, "-m", *command],
        cwd=Path.cwd(),
        output=log,
        grace_s=grace_s,
        env=inherited() | {"ZOOMIN_TELEMETRY__HTTP_PORT": "0", "ZOOMIN_TELEMETRY__LOG_FORMAT": "json"},
    )
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    _ask_to_end(process, grace_s)
    process.stop()


def _ask_to_end(process: GuardedProcess, grace_s: float) -> None:
    """The process alone: an engine's own processes are its to end, when it has no more use for them."""
    if process.pid is None or process.returncode is not None:
        return
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while process.returncode is None and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)


def log_of(demo: Demo, name: str) -> Path:
    return demo.directory / f"{name}.log"


def failure(demo: Demo, name: str, code: int) -> FatalError:
    log = log_of(demo, name)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return FatalError("\n".join([f"the {name} process ended with code {code}; the end of {log}:", *lines]))
