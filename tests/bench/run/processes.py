"""Processor time and memory of process trees, each process under the part it plays."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import psutil

MEBI = 1024 * 1024


def tree(pid: int) -> list[psutil.Process]:
    """A process and all below it, now."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def part(root: str, process: psutil.Process, pid: int) -> str:
    """What a process of the tree `root` is called: the root's own name, or that with its child's part."""
    if process.pid == pid:
        return root
    command = " ".join(process.cmdline())
    if "decoding_child" in command:
        return f"{root} decoders"
    return f"{root} engine core" if "EngineCore" in command or "multiprocessing" in command else f"{root} children"


class CpuMeter:
    """Processor seconds of some process trees, by part, between `start` and `seconds`."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = roots
        self._start = self._read()

    def start(self) -> None:
        self._start = self._read()

    def seconds(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for (name, pid), seconds in self._read().items():
            found[name] = found.get(name, 0.0) + seconds - self._start.get((name, pid), 0.0)
        return found

    def _read(self) -> dict[tuple[str, int], float]:
        read = {}
        for root, pid in self._roots.items():
            for process in tree(pid):
                try:
                    times = process.cpu_times()
                    read[part(root, process, pid), process.pid] = times.user + times.system
                except psutil.NoSuchProcess:
                    continue
        return read


def memory_mib(pid: int) -> dict[str, float]:
    """Of a whole process tree: `pss` counts what it shares with other programs in part, `uss` not at all."""
    read = [process.memory_full_info() for process in tree(pid)]
    return {"pss": sum(part.pss for part in read) / MEBI, "uss": sum(part.uss for part in read) / MEBI}


@contextmanager
def ending(pid: int, *, grace_s: float = 10.0) -> Iterator[None]:
    """Afterwards nothing of this process tree is left, whatever happened: first a chance to end, then a kill."""
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            _end(tree(pid), grace_s)


def _end(processes: list[psutil.Process], grace_s: float) -> None:
    with suppress(psutil.NoSuchProcess):
        processes[0].terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace_s)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)
