from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.decoding.decode import decode
from pipeline.engine import Query
from pipeline.errors import EngineDead, GenerationFailed
from pipeline.local_image import LocalImage
from pipeline.registry.manifest import SmokeQuestion
from pipeline.verdict import RgbImage, Verdict
from pipeline.zoomin import inspect
from tests.support.builders import build_noise, encode_image
from tests.support.engines import DigestEngine
from worker.serving.refusal import ModelRefused, Refusal
from worker.serving.revisions import LocalModel
from worker.serving.smoke import ask_smoke_questions


class InProcessDecoder:
    async def decode(self, data: bytes) -> RgbImage:
        return decode(data, max_pixels=1_000_000)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    (tmp_path / "smoke").mkdir()
    for number in range(3):
        (tmp_path / "smoke" / f"{number}.png").write_bytes(encode_image(build_noise(seed=number), "PNG"))
    return Checkpoint(tmp_path, CheckpointCard(), "sha256:0")


async def ask(checkpoint: Checkpoint, engine: DigestEngine, verdicts: list[Verdict]) -> None:
    questions = [SmokeQuestion(image=f"smoke/{number}.png", verdict=verdict) for number, verdict in enumerate(verdicts)]
    await ask_smoke_questions(engine, LocalModel(checkpoint, tuple(questions)), InProcessDecoder())


async def judge_all(checkpoint: Checkpoint) -> list[Verdict]:
    images = [decode((checkpoint.path / f"smoke/{number}.png").read_bytes(), max_pixels=10_000) for number in range(3)]
    inspections = [await inspect(LocalImage(image), DigestEngine()) for image in images]
    return [checkpoint.card.decide_inspection(inspection, None).verdict for inspection in inspections]


async def test_a_model_that_answers_as_it_did_passes(checkpoint: Checkpoint) -> None:
    verdicts = await judge_all(checkpoint)
    engine = DigestEngine()
    await ask(checkpoint, engine, verdicts)
    assert engine.query_count == 6


async def test_another_verdict_is_refused_with_the_image_and_both_verdicts(checkpoint: Checkpoint) -> None:
    verdicts = await judge_all(checkpoint)
    verdicts[1] = Verdict.REAL if verdicts[1] is Verdict.GENERATED else Verdict.GENERATED
    with pytest.raises(ModelRefused, match=rf"smoke/1.png: {verdicts[1]} is expected, its verdict is") as caught:
        await ask(checkpoint, DigestEngine(), verdicts)
    assert caught.value.reason is Refusal.SMOKE


async def test_no_answer_is_refused_and_the_death_of_the_engine_is_its_own_error(checkpoint: Checkpoint) -> None:
    async def fail(_query: Query) -> None:
        raise GenerationFailed("out of tokens")

    async def die(_query: Query) -> None:
        raise EngineDead("gone")

    with pytest.raises(ModelRefused, match=r"it gives none: out of tokens \(generation_failed\)"):
        await ask(checkpoint, DigestEngine(before=fail), [Verdict.REAL])
    with pytest.raises(EngineDead):
        await ask(checkpoint, DigestEngine(before=die), [Verdict.REAL])
