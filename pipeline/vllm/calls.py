"""The front's end of the socket: runs the calls that the worker sends, each as a task of its own."""

import asyncio
from functools import partial

from pipeline.errors import InternalFault, ZoomInError
from pipeline.vllm.frames import Call, Cancel, Ready, Result, read_frame, write_frame


async def answer_calls(client: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that the front is ready, then run each call as a task of its own, until the other end is gone."""
    running: dict[int, asyncio.Task[None]] = {}
    write_frame(writer, Ready())
    while True:
        try:
            message = await read_frame(reader)
        except (EOFError, OSError):
            return
        if isinstance(message, Call):
            task = running[message.number] = asyncio.create_task(_answer(client, message, writer))
            task.add_done_callback(partial(_forget, running, message.number))
        elif isinstance(message, Cancel) and message.number in running:
            running[message.number].cancel()


async def _answer(client: object, call: Call, writer: asyncio.StreamWriter) -> None:
    try:
        outcome = await getattr(client, call.method)(*call.arguments)
    except ZoomInError as error:
        outcome = error
    except Exception as error:  # noqa: BLE001 - our bug; an error of any class might not be picklable
        outcome = InternalFault(f"{type(error).__name__}: {error}")
    write_frame(writer, Result(call.number, outcome))


def _forget(running: dict[int, asyncio.Task[None]], number: int, _task: asyncio.Task[None]) -> None:
    del running[number]
