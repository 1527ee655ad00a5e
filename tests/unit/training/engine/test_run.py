import asyncio
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.errors import BadSettings, EngineDead
from pipeline.verdict import RgbImage, Verdict
from pipeline.vllm.options import EngineOptions
from tests.support.builders import build_noise
from tests.support.engines import DigestEngine
from training.engine.run import EngineSetup, SharedEngine
from training.engine.stored_answers import StoringEngine, locate_answers
from training.evaluation import evaluate
from training.evaluation.samples import Sample

SAMPLES = [Sample(n, RgbImage(build_noise(300, 200, seed=n), "png"), Verdict.REAL, ()) for n in range(2)]
QUERIES = 2 * len(SAMPLES)


class Starts:
    """Starts stand-in engines, and keeps them."""

    def __init__(self) -> None:
        self.engines: list[DigestEngine] = []

    async def __call__(self, checkpoint: Checkpoint, _options: EngineOptions) -> DigestEngine:
        self.engines.append(DigestEngine(checkpoint.card))
        return self.engines[-1]


@pytest.fixture
def starts() -> Starts:
    return Starts()


def build_checkpoint(name: str) -> Checkpoint:
    return Checkpoint(Path(name), CheckpointCard(), f"sha256:{name * 12}")


A, B = build_checkpoint("a"), build_checkpoint("b")


async def ask(engine: StoringEngine) -> int:
    return len((await evaluate.predict(SAMPLES, engine, concurrency=2, passes=evaluate.OWN))["own"])


def test_the_next_checkpoint_is_taken_over_and_has_answers_of_its_own(starts: Starts, tmp_path: Path) -> None:
    setup = EngineSetup(EngineOptions(), tmp_path)
    with SharedEngine(starts) as on_engine:
        assert [on_engine(checkpoint, setup, ask) for checkpoint in (A, B, A)] == [2, 2, 2]
        (engine,) = starts.engines
        assert not engine.closed
    assert engine.closed
    assert engine.reloaded == [B, A]
    assert engine.query_count == 2 * QUERIES, "the third piece of work finds its answers on disk"
    assert all(locate_answers(tmp_path, checkpoint).is_file() for checkpoint in (A, B))


def test_what_cannot_be_taken_over_gets_a_new_engine_after_the_old_one_is_closed(
    starts: Starts, tmp_path: Path
) -> None:
    setup = EngineSetup(EngineOptions(), tmp_path)
    with SharedEngine(starts) as on_engine:
        on_engine(A, setup, ask)
        starts.engines[0].obstacle = "config.json differs"
        on_engine(B, setup, ask)
        assert starts.engines[0].closed
        on_engine(A, EngineSetup(EngineOptions(max_num_seqs=3), tmp_path), ask)
    assert [(engine.closed, engine.reloaded) for engine in starts.engines] == [(True, [])] * 3


async def fail(_engine: StoringEngine) -> int:
    raise EngineDead("it died")


async def wait(_engine: StoringEngine) -> int:
    raise asyncio.CancelledError


@pytest.mark.parametrize(("work", "error"), [(fail, EngineDead), (wait, asyncio.CancelledError)])
def test_after_an_error_the_engine_is_closed_and_the_next_checkpoint_gets_a_new_one(
    starts: Starts, tmp_path: Path, work: object, error: type[BaseException]
) -> None:
    setup = EngineSetup(EngineOptions(), tmp_path)
    with SharedEngine(starts) as on_engine:
        with pytest.raises(error):
            on_engine(A, setup, work)  # type: ignore[arg-type]  # two kinds of work
        assert starts.engines[0].closed
        assert on_engine(B, setup, ask) == 2
    assert [engine.closed for engine in starts.engines] == [True, True]


def test_weights_that_cannot_be_loaded_leave_no_engine_with_parts_of_both(starts: Starts, tmp_path: Path) -> None:
    setup = EngineSetup(EngineOptions(), tmp_path)
    with SharedEngine(starts) as on_engine:
        on_engine(A, setup, ask)
        starts.engines[0].reload_errors = [BadSettings("a tensor is missing")]
        with pytest.raises(BadSettings):
            on_engine(B, setup, ask)
        assert starts.engines[0].closed
        assert on_engine(A, setup, ask) == 2


def test_a_fresh_run_forgets_the_answers(starts: Starts, tmp_path: Path) -> None:
    with SharedEngine(starts) as on_engine:
        for fresh in (False, True):
            on_engine(A, EngineSetup(EngineOptions(), tmp_path, fresh), ask)
    assert starts.engines[0].query_count == 2 * QUERIES
