"""The most memory that a process and all below it had, looked at a few times a second."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

from tests.bench.run.processes import MEBI, tree

LOOK_EVERY_S = 0.25


class MemoryMeter:
    """While entered. `peak_mib` is the proportional set size: what processes share is counted once."""

    def __init__(self, pid: int) -> None:
        self.peak_mib = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            with suppress(psutil.NoSuchProcess):
                self.peak_mib = max(self.peak_mib, _pss_mib(self._pid))


def _pss_mib(pid: int) -> float:
    """Without decoders that end meanwhile, as some of them have to."""
    total = 0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total / MEBI
