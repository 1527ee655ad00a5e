"""Asks a new model the smoke questions of its revision: images with the verdicts that it gave when it was pushed."""

import asyncio
from typing import Protocol

from pipeline.checkpoint import Checkpoint
from pipeline.engine import VisionEngine
from pipeline.errors import FatalError, ZoomInError
from pipeline.local_image import LocalImage
from pipeline.registry.manifest import SmokeQuestion
from pipeline.verdict import RgbImage, Verdict
from pipeline.zoomin import inspect
from worker.serving.refusal import ModelRefused, Refusal
from worker.serving.revisions import LocalModel


class Decoder(Protocol):
    async def decode(self, data: bytes) -> RgbImage: ...


async def ask_smoke_questions(engine: VisionEngine, model: LocalModel, decoder: Decoder) -> None:
    """Ask all questions at once: nothing else is asked meanwhile, and the engine answers many as fast as a few.

    Raises: ModelRefused, which names the first image whose verdict is another one or that gets none; FatalError of an
        engine that dies.
    """
    asked = (_ask(engine, model.checkpoint, question, decoder) for question in model.smoke)
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        if outcome is not None:
            raise outcome


async def _ask(engine: VisionEngine, checkpoint: Checkpoint, question: SmokeQuestion, decoder: Decoder) -> None:
    data = await asyncio.to_thread((checkpoint.path / question.image).read_bytes)
    try:
        verdict = await _judge(engine, checkpoint, LocalImage(await decoder.decode(data)))
    except FatalError:
        raise
    except ZoomInError as error:
        raise _refuse(question, f"it gives none: {error.detail} ({error.code})") from error
    if verdict is not question.verdict:
        raise _refuse(question, f"its verdict is {verdict}")


async def _judge(engine: VisionEngine, checkpoint: Checkpoint, image: LocalImage) -> Verdict:
    inspection = await inspect(image, engine)
    return checkpoint.card.decide_inspection(inspection, None).verdict


def _refuse(question: SmokeQuestion, problem: str) -> ModelRefused:
    return ModelRefused(Refusal.SMOKE, f"smoke question {question.image}: {question.verdict} is expected, {problem}")
