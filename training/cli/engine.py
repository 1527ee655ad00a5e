"""A command's own vLLM engine: people are told that it takes its time, and it is closed however the work ends."""

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pipeline.checkpoint import Checkpoint
    from pipeline.vllm.engine import VllmEngine

T = TypeVar("T")


def on_engine(checkpoint: "Checkpoint", concurrency: int, work: "Callable[[VllmEngine], Awaitable[T]]") -> T:
    """What `work` makes of an engine that serves the checkpoint to `concurrency` images at once.

    Raises: what starting it raises (BadSettings, EngineDead), and what `work` raises.
    """
    print("starting the engine: a minute or two on a CPU", file=sys.stderr)
    importlib.import_module("pipeline.vllm.engine")  # takes seconds, in which asyncio would not hear Ctrl-C
    return asyncio.run(_on_engine(checkpoint, concurrency, work))


async def _on_engine(checkpoint: "Checkpoint", concurrency: int, work: "Callable[[VllmEngine], Awaitable[T]]") -> T:
    from pipeline.vllm.engine import EngineOptions, VllmEngine

    engine = await VllmEngine.start(checkpoint, EngineOptions(max_num_seqs=concurrency))
    try:
        return await work(engine)
    finally:
        await engine.close()
