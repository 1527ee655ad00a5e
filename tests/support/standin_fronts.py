"""Fronts without vLLM: real processes and sockets of ours around a stand-in engine."""

import asyncio
import multiprocessing
import os
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from pipeline.checkpoint import Checkpoint
from pipeline.engine import Answer, Query, VisionEngine
from pipeline.vllm.calls import answer_calls
from pipeline.vllm.front import FrontProcess, Target, start_front
from pipeline.vllm.fronts import Fronts
from pipeline.vllm.options import EngineOptions, FrontPlace
from tests.support.engines import DigestEngine, Pace


@dataclass(frozen=True)
class SleepingCore:
    """A process that stands for vLLM's core."""

    process: BaseProcess

    @property
    def processes(self) -> Sequence[BaseProcess]:
        return [self.process]


@dataclass(frozen=True)
class StandinProcesses:
    core: SleepingCore
    fronts: Sequence[FrontProcess]
    resources: ExitStack
    """ends all of them when it is closed"""


def start_processes(target: Target, checkpoint: Checkpoint, count: int) -> StandinProcesses:
    """Start a core that sleeps and `count` fronts that run `target`."""
    with ExitStack() as stack:
        core = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(3600,), daemon=True)
        core.start()
        stack.callback(core.join)
        stack.callback(core.kill)
        fronts = []
        for index in range(count):
            fronts.append(start_front(target, checkpoint, EngineOptions(fronts=count), FrontPlace(index, "", "")))
            stack.callback(fronts[-1].end)
        return StandinProcesses(SleepingCore(core), fronts, stack.pop_all())


class PacedFront:
    """Paces a query as one front of a GPU does, and uses the CPU for it as vLLM's front does."""

    def __init__(self, images_per_s: float, concurrency: int, cpu_ms_per_image: float) -> None:
        self._pace = Pace(images_per_s, concurrency)
        self._cpu_s = cpu_ms_per_image / 2 / 1000  # of one query

    async def __call__(self, query: Query) -> None:
        """Use half of the time before the query, as preprocessing does, and half after it, as reading tokens does."""
        use_cpu(self._cpu_s / 2)
        await self._pace(query)
        use_cpu(self._cpu_s / 2)


def use_cpu(seconds: float) -> None:
    """Hold the interpreter until this thread has used so much CPU time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@dataclass(frozen=True)
class PacedTarget:
    """What the process of a paced front runs; the pace is its share of the GPU's."""

    images_per_s: float
    concurrency: int
    cpu_ms_per_image: float

    def __call__(
        self, checkpoint: Checkpoint, options: EngineOptions, _place: FrontPlace, worker: socket.socket
    ) -> None:
        front = PacedFront(
            self.images_per_s / options.fronts, self.concurrency // options.fronts, self.cpu_ms_per_image
        )
        asyncio.run(_serve(DigestEngine(checkpoint.card, before=front), worker))


async def _serve(engine: VisionEngine, worker: socket.socket) -> None:
    await answer_calls(_Client(engine), *await asyncio.open_connection(sock=worker))
    os._exit(0)


@dataclass(frozen=True)
class _Client:
    """The methods of a CoreClient that fronts call."""

    engine: VisionEngine

    async def check(self) -> None:
        """Return: the loop turns."""

    async def ask(self, query: Query, temperature: float) -> Answer:
        return await self.engine.ask(query, temperature=temperature)


class FrontedStandin(DigestEngine):
    """An engine whose queries are answered by paced fronts in processes of their own."""

    def __init__(self, checkpoint: Checkpoint, target: PacedTarget, count: int, *, max_in_flight: int) -> None:
        super().__init__(checkpoint.card)
        processes = start_processes(target, checkpoint, count)
        self._fronts = Fronts(processes.core, processes.fronts, processes.resources, max_in_flight=max_in_flight)

    async def connect(self) -> None:
        await self._fronts.connect()

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        return await self._fronts.ask(query, temperature)

    async def close(self) -> None:
        await self._fronts.stop()
        await asyncio.to_thread(self._fronts.shutdown)
