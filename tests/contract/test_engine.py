"""Tests the VisionEngine port: on the stand-in of other tests, and on the real vLLM with the tiny model."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from pipeline import geometry, parse, prompts
from pipeline.engine import VisionEngine
from pipeline.errors import EngineDead
from pipeline.images import build_model_image
from pipeline.local_image import LocalImage
from pipeline.verdict import ModelImage, RgbImage, Status
from pipeline.vllm.fronts import Fronts
from pipeline.zoomin import inspect
from tests.conftest import run_engine
from tests.support.builders import build_noise
from tests.support.engines import DigestEngine
from tests.support.servers.services import eventually

if TYPE_CHECKING:
    from pipeline.vllm.engine import VllmEngine

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fronted_engine() -> "AsyncIterator[VllmEngine]":
    """Provide an engine with two fronts; it starts for the tests of this file alone."""
    async with run_engine(fronts=2) as engine:
        yield engine


@pytest.fixture(params=["stand-in", "vllm_engine", "fronted_engine"])
def engine(request: pytest.FixtureRequest) -> VisionEngine:
    return DigestEngine() if request.param == "stand-in" else request.getfixturevalue(request.param)


def build_view(engine: VisionEngine, seed: int = 0) -> ModelImage:
    return build_model_image(build_noise(*geometry.fit((512, 512), engine.card.scan_max_pixels), seed=seed))


async def test_answers_follow_the_grammar_and_carry_a_probability(engine: VisionEngine) -> None:
    scan = await engine.ask(prompts.build_global_scan(build_view(engine), engine.card.box_frame))
    assert 0 <= scan.p_generated <= 1
    parse.parse_global_scan(scan.text, truncated=scan.truncated)
    check = await engine.ask(prompts.build_local_check(build_view(engine), [], engine.card.box_frame))
    parse.parse_local_check(check.text, truncated=check.truncated)


async def test_greedy_answers_repeat(engine: VisionEngine) -> None:
    query = prompts.build_global_scan(build_view(engine), engine.card.box_frame)
    first, second = await engine.ask(query), await engine.ask(query)
    assert first.text == second.text
    assert first.p_generated == pytest.approx(second.p_generated, abs=0.02)


async def test_many_are_answered_at_once(engine: VisionEngine) -> None:
    queries = [prompts.build_global_scan(build_view(engine, seed), engine.card.box_frame) for seed in range(8)]
    answers = await asyncio.gather(*map(engine.ask, queries))
    assert len(answers) == 8


async def test_a_cancelled_query_leaves_the_engine_well(engine: VisionEngine) -> None:
    query = prompts.build_global_scan(build_view(engine, 9), engine.card.box_frame)
    asking = asyncio.ensure_future(engine.ask(query))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await engine.ask(query)).text


@pytest.mark.parametrize("size", [(512, 512), (28, 28), (1, 1), (2000, 100), (60, 1500)])
async def test_images_of_any_shape_are_inspected(engine: VisionEngine, size: tuple[int, int]) -> None:
    inspection = await inspect(LocalImage(RgbImage(build_noise(*size), "png")), engine)
    assert inspection.status in (Status.COMPLETE, Status.UNGROUNDED)
    for crop in inspection.crops:
        assert geometry.clip(crop.box.corners, size) == crop.box


async def test_the_metrics_of_all_fronts_are_exported(fronted_engine: "VllmEngine") -> None:
    before = count_finished_requests()
    for seed in (31, 32):  # one for each front
        query = prompts.build_global_scan(build_view(fronted_engine, seed), fronted_engine.card.box_frame)
        await fronted_engine.ask(query)
    assert count_finished_requests() == before + 2


async def test_an_idle_core_that_dies_is_seen_and_closing_leaves_no_process_behind(
    fronted_engine: "VllmEngine",
) -> None:
    """Runs last: the engine with two fronts is gone afterwards."""
    fronts = fronted_engine._client
    assert isinstance(fronts, Fronts)
    (core,) = fronts._core.processes
    assert not fronted_engine.dead
    core.kill()
    assert await asyncio.to_thread(eventually, lambda: fronted_engine.dead)
    with pytest.raises(EngineDead):
        await fronted_engine.ask(prompts.build_global_scan(build_view(fronted_engine), fronted_engine.card.box_frame))
    await fronted_engine.close()
    assert not any(process.is_alive() for process in (core, *(front.process for front in fronts._processes)))


def count_finished_requests() -> float:
    """Count them in vLLM's metric, as `/metrics` shows it; it holds those of the engine without fronts too."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "vllm:request_success_total"
    )
