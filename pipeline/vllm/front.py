"""The worker's end of one front: calls go out through a socket, and results come back by their number."""

import asyncio
import itertools
import multiprocessing
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from pipeline.checkpoint import Checkpoint
from pipeline.engine import Answer
from pipeline.errors import EngineDead, ZoomInError
from pipeline.vllm.frames import READ_BUFFER_BYTES, Call, Cancel, Message, Ready, Result, read_frame, write_frame
from pipeline.vllm.options import EngineOptions, FrontPlace

END_S = 2.0
"""between the end of a front's socket and SIGKILL"""
Target = Callable[[Checkpoint, EngineOptions, FrontPlace, socket.socket], None]


@dataclass(frozen=True, slots=True)
class FrontProcess:
    """The process of a front, and our end of the socket to it."""

    process: BaseProcess
    connection: socket.socket

    def end(self) -> None:
        """Close the socket, with which the front ends, and wait until it is gone."""
        self.connection.close()
        self.process.join(END_S)
        self.process.kill()
        self.process.join()


def start_front(target: Target, checkpoint: Checkpoint, options: EngineOptions, place: FrontPlace) -> FrontProcess:
    """Start the process of one front, which runs `target`."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = multiprocessing.get_context("spawn").Process(
            target=target, args=(checkpoint, options, place, theirs), name=f"Front_{place.index}", daemon=True
        )
        process.start()
    return FrontProcess(process, ours)


class Front:
    """A connection to the process of one front, in the event loop of the caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count()
        self._turn = asyncio.Lock()
        self._results: dict[int, asyncio.Future[Answer | None]] = {}

    @classmethod
    async def open(cls, connection: socket.socket) -> "Front":
        return cls(*await asyncio.open_connection(sock=connection, limit=READ_BUFFER_BYTES))

    async def await_ready(self) -> None:
        """Wait until the front is connected to the core. Raises: EngineDead if it ends before."""
        try:
            assert isinstance(await read_frame(self._reader), Ready)
        except (EOFError, OSError) as error:
            raise EngineDead("the process of a front ended while it started") from error

    async def call(self, method: str, *arguments: object) -> Answer | None:
        """Return what the method of the front's CoreClient returns; cancelling the call cancels it there too.

        Raises: what the method raises; EngineDead if the front is gone.
        """
        number = next(self._numbers)
        result: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._results[number] = result
        try:
            async with self._turn:  # so that the buffer holds the pixels of one query at most
                self._send(Call(number, method, arguments))
                await self._writer.drain()
            return await result
        except OSError as error:
            raise EngineDead("the process of a front died") from error
        except asyncio.CancelledError:
            self._send(Cancel(number))
            raise
        finally:
            del self._results[number]

    async def read_results(self) -> None:
        """Hand results to their calls until the front is gone."""
        with suppress(EOFError, OSError):
            while True:
                self._deliver(await read_frame(self._reader))

    def fail(self, detail: str) -> None:
        """Let all calls that wait fail with EngineDead, and close the socket."""
        for result in self._results.values():
            if not result.done():
                result.set_exception(EngineDead(detail))
                result.exception()  # marks it as read: a call that still waits for its turn to write never reads it
        self._writer.transport.abort()

    def _send(self, message: Message) -> None:
        if not self._writer.is_closing():
            write_frame(self._writer, message)

    def _deliver(self, message: Message) -> None:
        assert isinstance(message, Result)
        result = self._results.get(message.number)
        if result is None or result.done():
            return  # the call was cancelled
        if isinstance(message.outcome, ZoomInError):
            result.set_exception(message.outcome)
        else:
            result.set_result(message.outcome)
