"""A vLLM engine for the length of one piece of work, closed however the work ends."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from pipeline.checkpoint import Checkpoint
from pipeline.engine import VisionEngine

T = TypeVar("T")


class VersionedEngine(VisionEngine, Protocol):
    """An engine that names its version for reports."""

    @property
    def version(self) -> str: ...


class OnEngine(Protocol):
    """`run_on_engine`, or a replacement for it in tests."""

    def __call__(
        self, checkpoint: Checkpoint, concurrency: int, work: Callable[[VersionedEngine], Awaitable[T]]
    ) -> T: ...


def run_on_engine(checkpoint: Checkpoint, concurrency: int, work: Callable[[VersionedEngine], Awaitable[T]]) -> T:
    """Return the result of `work` on an engine that serves the checkpoint to `concurrency` images at once.

    Raises: what starting it raises (BadSettings, EngineDead), and what `work` raises.
    """
    print("starting the engine: a minute or two on a CPU", file=sys.stderr)
    # Imported here, before asyncio runs: it takes seconds, in which asyncio would not hear Ctrl-C.
    from pipeline.vllm.engine import VllmEngine
    from pipeline.vllm.options import EngineOptions

    async def start_and_work() -> T:
        engine = await VllmEngine.start(checkpoint, EngineOptions(max_num_seqs=concurrency, max_in_flight=concurrency))
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(start_and_work())
