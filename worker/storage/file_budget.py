"""Bounds the bytes of the files that all events in flight hold at once.

Invariant: reserved bytes stay within the limit, except for a file larger than the whole limit, which is held alone.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class FileBudget:
    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._reserved_bytes = 0
        self._changed = asyncio.Event()
        self._first_in_line = asyncio.Lock()  # otherwise small files would pass a large one for ever

    @contextmanager
    def open_share(self) -> Iterator["FileShare"]:
        """Open the share of one event; what it reserves is free again when the context is left."""
        share = FileShare(self)
        try:
            yield share
        finally:
            share.settle(0)

    async def reserve(self, length: int) -> None:
        """Wait until there is room for this many bytes, and reserve them."""
        async with self._first_in_line:
            while self._reserved_bytes and self._reserved_bytes + length > self._limit_bytes:
                self._changed.clear()
                await self._changed.wait()
            self._reserved_bytes += length

    def release(self, length: int) -> None:
        self._reserved_bytes -= length
        self._changed.set()


class FileShare:
    """The bytes that one event has reserved."""

    def __init__(self, budget: FileBudget) -> None:
        self._budget = budget
        self._bytes = 0

    async def reserve(self, length: int) -> None:
        """Wait until there is room for a file of up to this many bytes, and reserve them."""
        await self._budget.reserve(length)
        self._bytes += length

    def settle(self, length: int) -> None:
        """Keep as much as the file turned out to have, and release the rest."""
        self._budget.release(self._bytes - length)
        self._bytes = length
