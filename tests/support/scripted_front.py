"""A front without vLLM: the instructions of a query say what it does with it."""

import asyncio
import os
import socket
import threading
from dataclasses import dataclass

from pipeline.checkpoint import Checkpoint
from pipeline.engine import Answer, Query
from pipeline.errors import GenerationFailed
from pipeline.vllm.calls import answer_calls
from pipeline.vllm.options import EngineOptions, FrontPlace

ANSWER, COUNT_CANCELLED, WAIT, REFUSE, BREAK, EXIT, HANG = "answer", "count", "wait", "refuse", "break", "exit", "hang"


@dataclass
class ScriptedClient:
    """Answers with the index of its front and the brightness of the first image, or with what it counted."""

    place: FrontPlace
    cancelled: int = 0

    async def check(self) -> None:
        """Return: the loop turns."""

    async def ask(self, query: Query, temperature: float) -> Answer:
        match query.instructions:
            case "count":
                return Answer(str(self.cancelled), 0.0)
            case "wait":
                try:
                    await asyncio.Event().wait()
                finally:
                    self.cancelled += 1
            case "refuse":
                raise GenerationFailed("the engine refused the query")
            case "break":
                raise KeyError("no such thing")
            case "exit":
                os._exit(3)
            case "hang":
                threading.Event().wait()  # the loop turns no more
        red = query.images[0].pixels.getpixel((0, 0))
        return Answer(f"{self.place.index} {red} {temperature:g}", 0.5)


def serve_script(_checkpoint: Checkpoint, _options: EngineOptions, place: FrontPlace, worker: socket.socket) -> None:
    async def serve() -> None:
        await answer_calls(ScriptedClient(place), *await asyncio.open_connection(sock=worker))
        os._exit(0)

    asyncio.run(serve())


def exit_at_once(_checkpoint: Checkpoint, _options: EngineOptions, _place: FrontPlace, _worker: socket.socket) -> None:
    """Return: the process of the front ends before it is ready."""
