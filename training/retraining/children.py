"""Commands of a night as child processes, which free the GPU's memory when they end and end with the night.

What a child prints goes to a log file; its lines on stderr are shown too, and the last one says how far it is.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadSettings
from training.common.bound_command import bind_command
from training.errors import TrainingFailed

BAD_SETTINGS = 2
LINE_LENGTH = 400
Show = Callable[[str], None]
"""gets each line that a child prints on stderr"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A child that ended; `last_line` is that of its stdout, which is JSON where `--json` asks for it."""

    status: int
    last_line: str
    errors: str


class CommandRunner:
    """Runs commands; their output goes to files in `logs`, a pair for each name."""

    def __init__(self, logs: Path, show: Show) -> None:
        self._logs = logs
        self._show = show

    def run(self, name: str, words: Sequence[str]) -> Finished:
        """Run a command to its end, whatever its status. Raises: TrainingFailed if it cannot be started."""
        self._logs.mkdir(parents=True, exist_ok=True)
        output = self._logs / f"{name}.out"
        last = ""
        with (
            output.open("wb") as stdout,
            (self._logs / f"{name}.log").open("a") as log,
            subprocess.Popen(bind_command(words), stdout=stdout, stderr=subprocess.PIPE, text=True, bufsize=1) as child,
        ):
            try:
                assert child.stderr is not None, "it is a pipe"
                for line in child.stderr:
                    log.write(line)
                    last = line.strip()[:LINE_LENGTH] or last
                    self._show(last)
                status = child.wait()
            except BaseException:
                child.terminate()
                raise
        return Finished(status, _read_last_line(output), last)

    def require(self, name: str, words: Sequence[str]) -> Finished:
        """Run a command that has to succeed. Raises: BadSettings, TrainingFailed with its own last sentence."""
        finished = self.run(name, words)
        if finished.status:
            sentence = finished.errors.partition(": ")[2] if finished.errors.startswith("zoomin-train") else ""
            detail = (
                f"{sentence or finished.errors or 'no word of why'} (exit {finished.status}; {self._logs}/{name}.log)"
            )
            raise BadSettings(detail) if finished.status == BAD_SETTINGS else TrainingFailed(detail)
        return finished


def build_words(verb: Sequence[str], launch: Sequence[str] = ()) -> list[str]:
    """Return the words that run a verb of `zoomin-train`, in one process or by a launcher.

    Raises: BadSettings if there is no such launcher.
    """
    starter = [_find_launcher(launch[0]), *launch[1:]] if launch else [sys.executable]
    return [*starter, "-m", "training", *verb]


def _find_launcher(name: str) -> str:
    """Return the path of a program on the PATH, or beside this Python, as in a virtual environment."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise BadSettings(f"launch: there is no program {name}; install it, or name another launcher")
    return found


def _read_last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()
    return lines[-1] if lines else ""
