from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Query
from pipeline.errors import EngineDead
from pipeline.verdict import RgbImage, Verdict
from tests.support.builders import build_noise
from tests.support.engines import DigestEngine
from training.common.journal import Journal
from training.engine.stored_answers import StoringEngine, locate_answers
from training.evaluation import evaluate
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample

SAMPLES = [Sample(n, RgbImage(build_noise(300, 200, seed=n), "png"), Verdict.REAL, ()) for n in range(5)]
PASSES = evaluate.OWN | {"random": evaluate.PASSES["random"]}


async def predict(engine: DigestEngine, path: Path, revision: str = "sha256:1") -> list[list[Prediction]]:
    with Journal(path) as journal:
        storing = StoringEngine(engine, revision, journal)
        return list((await evaluate.predict(SAMPLES, storing, concurrency=2, passes=PASSES)).values())


async def test_a_second_run_asks_nothing_and_says_the_same(tmp_path: Path) -> None:
    first, second = DigestEngine(), DigestEngine()
    before = await predict(first, tmp_path / "answers.jsonl")
    assert await predict(second, tmp_path / "answers.jsonl") == before
    assert (first.query_count, second.query_count) == (3 * len(SAMPLES), 0)


async def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    left = 6

    async def die(_query: Query) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise EngineDead("killed")

    with pytest.raises(EngineDead):
        await predict(DigestEngine(before=die), path)
    kept = sum(1 for line in path.read_text().splitlines() if line)
    assert 0 < kept <= 6
    path.write_bytes(path.read_bytes()[:-20])  # the last line was being written
    again = DigestEngine()
    expected = await predict(DigestEngine(), tmp_path / "whole.jsonl")
    assert await predict(again, path) == expected
    assert again.query_count == 3 * len(SAMPLES) - (kept - 1)


async def test_other_weights_and_another_engine_are_asked_anew(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    await predict(DigestEngine(), path)
    other_weights = DigestEngine()
    await predict(other_weights, path, "sha256:2")
    other_engine = DigestEngine()
    other_engine.version = "stand-in 2"  # type: ignore[misc]  # a class attribute of the stand-in
    await predict(other_engine, path)
    assert other_weights.query_count == other_engine.query_count == 3 * len(SAMPLES)


def test_each_revision_has_a_file_of_its_own() -> None:
    checkpoint = Checkpoint(Path("models/zoomin-tiny"), CheckpointCard(), f"sha256:{'ab' * 32}")
    assert locate_answers(Path("out"), checkpoint) == Path("out/zoomin-tiny-abababababab.jsonl")
