"""A stand-in for `run_on_engine`: answers of a stand-in engine, kept where the setup says."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pipeline.checkpoint import Checkpoint
from tests.support.engines import DigestEngine
from training.common.journal import Journal
from training.engine.run import EngineSetup
from training.engine.stored_answers import StoringEngine, locate_answers

T = TypeVar("T")


def run_on_stand_in(
    checkpoint: Checkpoint, setup: EngineSetup, work: Callable[[StoringEngine], Coroutine[Any, Any, T]]
) -> T:
    with Journal(locate_answers(setup.answers, checkpoint)) as journal:
        return asyncio.run(work(StoringEngine(DigestEngine(checkpoint.card), checkpoint.revision, journal)))
