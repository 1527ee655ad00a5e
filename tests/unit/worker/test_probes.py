import asyncio
import math
import random
from pathlib import Path

import pytest
from PIL import Image

from pipeline import prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Query
from pipeline.errors import EngineDead
from pipeline.images import build_model_image
from tests.support.engines import DigestEngine
from worker.common.retry import Retrier, RetryPolicy
from worker.common.sections import FlowSettings
from worker.loop import WorkerLoop
from worker.observe.telemetry import Metrics
from worker.probes import check_liveness, check_readiness
from worker.serving.supervisor import Supervisor

CHECKPOINT = Checkpoint(Path("tiny"), CheckpointCard(), "sha256:0")


async def kill(_query: Query) -> None:
    raise EngineDead("killed")


async def start_mortal(_checkpoint: Checkpoint) -> DigestEngine:
    return DigestEngine(before=kill)


@pytest.fixture
def supervisor() -> Supervisor:
    policy = RetryPolicy(attempts=1, first_wait_s=0, max_wait_s=0, patience_s=math.inf)
    retrier = Retrier(policy, clock=lambda: 0.0, sleep=asyncio.sleep, rng=random.Random(0))
    return Supervisor(start_mortal, CHECKPOINT, restarts=0, retrier=retrier, metrics=Metrics(), grace_s=0.0)


@pytest.fixture
def loop() -> WorkerLoop:
    return WorkerLoop(None, None, FlowSettings(), commit_interval_s=1, metrics=Metrics())  # type: ignore[arg-type]  # never turned


async def test_livez_fails_for_an_engine_that_is_gone_and_for_a_loop_that_does_not_turn(
    loop: WorkerLoop, supervisor: Supervisor
) -> None:
    await supervisor.start()
    assert check_liveness(loop, supervisor) is None
    with pytest.raises(EngineDead):
        await supervisor.ask(prompts.build_global_scan(build_model_image(Image.new("RGB", (56, 56))), "pixels"))
    assert check_liveness(loop, supervisor) == "the engine is dead"
    loop.turned_at = -math.inf
    assert check_liveness(loop, supervisor) == "the loop has not turned for inf s"


async def test_readyz_needs_an_engine_that_serves_and_a_membership_that_lasts(
    loop: WorkerLoop, supervisor: Supervisor
) -> None:
    assert check_readiness(loop, supervisor) == "the engine is not ready"
    await supervisor.start()
    assert check_readiness(loop, supervisor) == "not a member of the consumer group"
    loop.joined = True
    assert check_readiness(loop, supervisor) is None
    loop.joined = False
    assert check_readiness(loop, supervisor) == "not a member of the consumer group"
