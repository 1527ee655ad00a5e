"""Ends a process of the engine if the process that started it is gone.

Without this watchdog the core runs on after its parent is killed, and holds the GPU memory that the next one needs.
"""

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection
from pathlib import Path

POLL_INTERVAL_S = 1.0


class ParentWatchdog:
    """The class that vLLM mixes into its worker (`worker_extension_cls`)."""

    def watch_parent(self, parent: int) -> None:
        """End the core, a child of the process `parent`, within about a second after `parent` has ended."""
        here = os.getpid()
        # On one device this process is the core; with several GPUs the core has worker processes of its own.
        core = here if read_parent(here) == parent else os.getppid()
        arguments = (core, parent)
        threading.Thread(target=_kill_core_after_parent, args=arguments, name="parent-watchdog", daemon=True).start()


def end_with_parent() -> None:
    """End this process, a child by multiprocessing, as soon as its parent has ended, even if it ended before."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only children end with their parent"
    threading.Thread(target=_exit_after, args=(parent.sentinel,), name="parent-watchdog", daemon=True).start()


def _exit_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _kill_core_after_parent(core: int, parent: int) -> None:
    while read_parent(core) == parent:
        time.sleep(POLL_INTERVAL_S)
    for process in (core, os.getpid()):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def read_parent(process: int) -> int | None:
    """Return the id of the parent of `process`; None if there is no such process."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[1])  # the program name before it may hold spaces and brackets
