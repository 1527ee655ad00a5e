"""With whom a worker and its decoders talked: every connection and every look-up of a name that Python makes.

What watches is sitecustomize.py, which the interpreter loads by itself in each process that has its directory on
PYTHONPATH; decoders inherit that from the worker. Clients of S3 and Kafka are Python throughout, so no request of
theirs can pass it by; C code that opened sockets of its own (decoders have none) would.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

_WATCHER = Path(__file__).with_name("watcher.py")
_NOTES = "connections"


def watching(directory: Path) -> dict[str, str]:
    """The variable by which a worker is watched; notes go to `directory`."""
    directory.mkdir(parents=True)
    shutil.copy(_WATCHER, directory / "sitecustomize.py")
    (directory / _NOTES).touch()
    return {"PYTHONPATH": str(directory)}


def met(directory: Path) -> set[str]:
    """`host:port` of connections, and names that were looked up."""
    return set((directory / _NOTES).read_text().splitlines())


def strangers(directory: Path, *, allowed: Collection[str]) -> list[str]:
    return sorted(met(directory) - set(allowed))
