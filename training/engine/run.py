"""A vLLM engine for one piece of work, or for one on each of several checkpoints, closed however the work ends."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeVar

from pipeline.checkpoint import Checkpoint
from pipeline.vllm.options import EngineOptions
from pipeline.vllm.runtime import is_cpu_build
from training.common.journal import Journal
from training.engine.stored_answers import StoringEngine, VersionedEngine, locate_answers
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


class ReloadableEngine(VersionedEngine, Protocol):
    """An engine that can serve one checkpoint after the other."""

    def find_reload_obstacle(self, checkpoint: Checkpoint) -> str | None: ...

    async def reload(self, checkpoint: Checkpoint) -> None: ...

    async def close(self) -> None: ...


StartEngine = Callable[[Checkpoint, EngineOptions], Awaitable[ReloadableEngine]]


class OnEngine(Protocol):
    """`run_on_engine`, a `SharedEngine`, or a replacement for them in tests."""

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
    return EngineSetup(options, answers or settings.answers_directory, fresh)


def prepare_engine(
    checkpoint: Checkpoint, settings: TrainSettings, answers: Path | None = None, *, fresh: bool = False
) -> EngineSetup:
    """Build the setup, and refuse a model that cannot fit the machine. Raises: BadSettings."""
    from training.engine.memory import refuse_unfit_engine  # it imports torch, which takes seconds

    setup = build_setup(settings, answers, fresh=fresh)
    refuse_unfit_engine(checkpoint.path, setup.options)
    return setup


class SharedEngine:
    """One engine for the work on several checkpoints: it takes over the next one wherever new weights are all it needs.

    Entering the block starts nothing; leaving it closes the engine. After an error the next checkpoint gets a new one.
    """

    def __init__(self, start: StartEngine | None = None) -> None:
        self._start = start
        self._runner = asyncio.Runner()
        self._engine: ReloadableEngine | None = None
        self._options: EngineOptions | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._runner:
            self._runner.run(self._close())

    def __call__(self, checkpoint: Checkpoint, setup: EngineSetup, work: Callable[[StoringEngine], Awaitable[T]]) -> T:
        """Return the result of `work` on an engine that serves the checkpoint; its answers are kept as they come.

        Raises: what starting or reloading it raises (BadSettings, EngineDead), and what `work` raises.
        """
        # Imported here, before asyncio runs: it takes seconds, in which asyncio would not hear Ctrl-C.
        start = self._start or _import_start()
        path = locate_answers(setup.answers, checkpoint)
        if setup.fresh:
            path.unlink(missing_ok=True)
        return self._runner.run(self._serve_and_work(start, checkpoint, setup, path, work))

    async def _serve_and_work(
        self,
        start: StartEngine,
        checkpoint: Checkpoint,
        setup: EngineSetup,
        path: Path,
        work: Callable[[StoringEngine], Awaitable[T]],
    ) -> T:
        with Journal(path) as journal:
            try:
                engine = await self._serve(start, checkpoint, setup.options)
                device = "CPU" if is_cpu_build() else "GPU"
                storing = StoringEngine(engine, f"{checkpoint.revision} on {device}", journal)
                result = await work(storing)
            except BaseException:
                await self._close()
                raise
        print(f"{path}: {storing.describe_use()}", file=sys.stderr)
        return result

    async def _serve(self, start: StartEngine, checkpoint: Checkpoint, options: EngineOptions) -> ReloadableEngine:
        if self._engine and self._options == options and self._engine.find_reload_obstacle(checkpoint) is None:
            await self._engine.reload(checkpoint)
            return self._engine
        await self._close()
        print("starting the engine: a minute or two on a CPU", file=sys.stderr)
        self._engine, self._options = await start(checkpoint, options), options
        return self._engine

    async def _close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()


def run_on_engine(checkpoint: Checkpoint, setup: EngineSetup, work: Callable[[StoringEngine], Awaitable[T]]) -> T:
    """Return the result of `work` on an engine of its own, as `SharedEngine` does for several checkpoints."""
    with SharedEngine() as on_engine:
        return on_engine(checkpoint, setup, work)


def _import_start() -> StartEngine:
    from pipeline.vllm.engine import VllmEngine

    return VllmEngine.start
