"""Reads the verdicts of a topic through `zoomin tail --once --json` as a child process."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO, cast

from pipeline.errors import FatalError
from pipeline.wire.messages import VerdictEvent
from training.common.bound_command import bind_command
from training.estimates.verdict_lines import SkippedLines, parse_verdicts

TAIL = (sys.executable, "-m", "worker", "tail")
READ_TIMEOUT_S = 3600.0
"""for everything that the topic holds in the window: about ten million verdicts"""
EXIT_TIMEOUT_S = 30.0


def read_topic(
    topic: str, skipped: SkippedLines, *options: str, program: Sequence[str] = TAIL
) -> Iterator[VerdictEvent]:
    """Yield the stored verdicts of a topic, by the worker's settings of Kafka.

    Raises: FatalError with the sentence of `zoomin tail` if it fails or finds nothing.
    """
    command = bind_command([*program, "--topic", topic, "--once", "--json", *options])
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as child,
    ):
        deadline = threading.Timer(READ_TIMEOUT_S, child.kill)
        deadline.start()
        try:
            yield from parse_verdicts(cast("BinaryIO", child.stdout), topic, skipped)
            code = child.wait(EXIT_TIMEOUT_S)
        finally:
            deadline.cancel()
            child.kill()  # does nothing to one that has ended
        if code:
            raise FatalError(f"topic {topic} was not read: {_read_last_line(log) or f'exit code {code}'}")


def _read_last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
