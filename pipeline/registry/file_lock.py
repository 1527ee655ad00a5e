"""Locks between the processes of one machine, on files that may be deleted by who holds them alone."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def hold_lock(path: Path, *, shared: bool, wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock on the file `path`, which is created; the kernel releases it when the process dies.

    `wait` is called again and again while others have the lock; what it raises ends the waiting.
    """
    while True:
        with _open(path) as file:
            while not _lock(file, shared=shared):
                wait()
            if _is_at(path, file):  # else it was deleted meanwhile, and others lock a new one
                yield
                return


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock on an existing file alone if nobody else has it; yield whether it is held."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield False
        return
    with file:
        yield _lock(file, shared=False) and _is_at(path, file)


def _open(path: Path) -> IO[bytes]:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return path.open("ab")
        except FileNotFoundError:  # its folder was deleted in between
            continue


def _lock(file: IO[bytes], *, shared: bool) -> bool:
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
