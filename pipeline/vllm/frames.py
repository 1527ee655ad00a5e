"""Messages between the worker's process and a front, each pickled behind its length; both ends are our own program."""

import pickle
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass

from pipeline.engine import Answer
from pipeline.errors import ZoomInError

LENGTH_BYTES = 8
READ_BUFFER_BYTES = 4 << 20
"""one query with its pixels, about"""


@dataclass(frozen=True, slots=True)
class Call:
    """Call a method of the front's CoreClient; `number` comes back with the result."""

    number: int
    method: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the call of this number, if it still runs."""

    number: int


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a call: an answer, None of a method that returns nothing, or the error that it raised."""

    number: int
    outcome: Answer | ZoomInError | None


@dataclass(frozen=True, slots=True)
class Ready:
    """The first message of a front: it is connected to the core."""


Message = Call | Cancel | Result | Ready


def write_frame(writer: StreamWriter, message: Message) -> None:
    """Write the message; length and content apart, so that its pixels are not copied once more."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    writer.write(len(content).to_bytes(LENGTH_BYTES))
    writer.write(content)


async def read_frame(reader: StreamReader) -> Message:
    """Return the next message. Raises: EOFError (or its subclass IncompleteReadError) when the other end is gone."""
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
    message = pickle.loads(await reader.readexactly(length))  # noqa: S301 - from our own process, by a private socket
    assert isinstance(message, Message)
    return message
