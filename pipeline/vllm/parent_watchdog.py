"""Runs inside vLLM's worker processes: ends the engine's core when the process that started it is gone.

vLLM's core serves on for ever when its front process is killed, and keeps the GPU's memory from the next one.
"""

import os
import signal
import threading
import time
from pathlib import Path

LOOK_EVERY_S = 1.0


class Lifeline:
    """Mixed into vLLM's worker by its own extension point."""

    def end_with(self, front: int) -> None:
        """From now on the core, `front`'s child, ends soon after `front`, however that ends."""
        here = os.getpid()
        core = here if parent_of(here) == front else os.getppid()  # with several GPUs the core has workers of its own
        threading.Thread(target=_watch, args=(core, front), name="lifeline", daemon=True).start()


def _watch(core: int, front: int) -> None:
    while parent_of(core) == front:
        time.sleep(LOOK_EVERY_S)
    for process in (core, os.getpid()):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def parent_of(process: int) -> int | None:
    """None when there is no such process."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[1])  # the name before it may hold anything
