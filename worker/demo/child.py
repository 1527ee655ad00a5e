"""Child processes of the demo, each with a log file in the demo's directory."""

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
from worker.cli.terminal import escape_unprintable
from worker.common.settings import copy_environment
from worker.local.child_supervisor import SupervisedProcess

LOG_LINES = 8
POLL_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Demo:
    """A run of the demo: its directory and the console for its sentences (stderr if stdout is for programs)."""

    directory: Path
    out: Console
    began: float = field(default_factory=time.monotonic)

    def notify(self, sentence: str) -> None:
        self.out.print(
            Text.assemble((f"{time.monotonic() - self.began:4.0f} s  ", "dim"), escape_unprintable(sentence))
        )


@contextmanager
def run_child(demo: Demo, name: str, command: Sequence[str], *, grace_s: float) -> Iterator[SupervisedProcess]:
    """Run a module of ours as a process; terminate it after the `with` block, or kill it after an error."""
    log = get_log_path(demo, name)
    log.unlink(missing_ok=True)
    process = SupervisedProcess(
        [sys.executable, "-m", *command],
        cwd=Path.cwd(),
        output=log,
        grace_s=grace_s,
        env=copy_environment() | {"ZOOMIN_TELEMETRY__HTTP_PORT": "0", "ZOOMIN_TELEMETRY__LOG_FORMAT": "json"},
    )
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    _terminate(process, grace_s)
    process.stop()


def _terminate(process: SupervisedProcess, grace_s: float) -> None:
    """Terminate this process only: it ends its engine's processes itself when it no longer needs them."""
    if process.pid is None or process.returncode is not None:
        return
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while process.returncode is None and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL_S)


def get_log_path(demo: Demo, name: str) -> Path:
    return demo.directory / f"{name}.log"


def build_child_error(demo: Demo, name: str, code: int) -> FatalError:
    log = get_log_path(demo, name)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return FatalError("\n".join([f"the {name} process ended with code {code}; the end of {log}:", *lines]))
