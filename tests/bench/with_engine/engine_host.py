"""The near end of a bare engine's process: started at once, asked when it is ready, gone at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.run.child import Child, start_child
from tests.bench.run.job import EvaluationJob, EvaluationResult, Job, PlainJob, Result


class EngineHost:
    """The engine's process, as its users see it. Raises: BenchFailed from every method if it has ended."""

    def __init__(self, child: Child) -> None:
        self._child = child

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait(self) -> None:
        """Returns when the engine can be asked."""
        self._child.wait()

    def perform(self, job: Job) -> Result:
        return Result(**self._child.perform(job))

    def evaluate(self, job: EvaluationJob) -> EvaluationResult:
        return EvaluationResult(**self._child.perform(job))

    @contextmanager
    def consuming(self, job: PlainJob) -> Iterator[None]:
        """Inside, it is a plain consumer; the end waits until it has answered all of its events."""
        self._child.tell(job)
        yield
        self._child.answer()


@contextmanager
def engine_host(model: Path, log: Path, *options: str) -> Iterator[EngineHost]:
    """A bare engine that is starting."""
    with start_child("tests.bench.with_engine.engine_process", log, str(model), *options) as child:
        yield EngineHost(child)
