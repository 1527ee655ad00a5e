"""A vLLM engine for the length of one piece of work, closed however the work ends."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.checkpoint import Checkpoint
from pipeline.vllm.options import EngineOptions
from pipeline.vllm.runtime import is_cpu_build
from training.common.journal import Journal
from training.engine.stored_answers import StoringEngine, locate_answers
from training.settings import TrainSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """The options of an engine, and the directory that keeps its answers; `fresh` forgets those that it holds."""

    options: EngineOptions
    answers: Path
    fresh: bool = False

    @property
    def concurrency(self) -> int:
        return self.options.max_in_flight


class OnEngine(Protocol):
    """`run_on_engine`, or a replacement for it in tests."""

    def __call__(
        self, checkpoint: Checkpoint, setup: EngineSetup, work: Callable[[StoringEngine], Awaitable[T]]
    ) -> T: ...


def build_setup(settings: TrainSettings, answers: Path | None = None, *, fresh: bool = False) -> EngineSetup:
    """Build the setup that the settings describe; answers go to `answers`, by default into the cache."""
    options = EngineOptions(
        max_model_len=settings.max_model_len,
        max_num_seqs=settings.max_num_seqs or settings.concurrency,
        max_in_flight=settings.concurrency,
        tensor_parallel_size=settings.tensor_parallel_size,
        gpu_memory_utilization=settings.gpu_memory_utilization,
    )
    return EngineSetup(options, answers or settings.cache_directory / "answers", fresh)


def prepare_engine(
    checkpoint: Checkpoint, settings: TrainSettings, answers: Path | None = None, *, fresh: bool = False
) -> EngineSetup:
    """Build the setup, and refuse a model that cannot fit the machine. Raises: BadSettings."""
    from training.engine.memory import refuse_unfit_engine  # it imports torch, which takes seconds

    setup = build_setup(settings, answers, fresh=fresh)
    refuse_unfit_engine(checkpoint.path, setup.options)
    return setup


def run_on_engine(checkpoint: Checkpoint, setup: EngineSetup, work: Callable[[StoringEngine], Awaitable[T]]) -> T:
    """Return the result of `work` on an engine that serves the checkpoint; its answers are kept as they come.

    Raises: what starting it raises (BadSettings, EngineDead), and what `work` raises.
    """
    print("starting the engine: a minute or two on a CPU", file=sys.stderr)
    # Imported here, before asyncio runs: it takes seconds, in which asyncio would not hear Ctrl-C.
    from pipeline.vllm.engine import VllmEngine

    path = locate_answers(setup.answers, checkpoint)
    if setup.fresh:
        path.unlink(missing_ok=True)

    async def start_and_work() -> T:
        with Journal(path) as journal:
            engine = await VllmEngine.start(checkpoint, setup.options)
            device = "CPU" if is_cpu_build() else "GPU"
            storing = StoringEngine(engine, f"{checkpoint.revision} on {device}", journal)
            try:
                return await work(storing)
            finally:
                await engine.close()
                print(f"{path}: {storing.describe_use()}", file=sys.stderr)

    return asyncio.run(start_and_work())
