"""Tests what needs the real engine: reuse between the queries, confidence, timeouts and a hanging shutdown."""

import asyncio
import dataclasses
import shutil
import threading
from collections.abc import AsyncIterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from pipeline import geometry, prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Answer
from pipeline.errors import BadSettings, EngineDead, InferenceTimeout
from pipeline.images import build_model_image
from pipeline.vllm.core_client import CoreClient
from pipeline.vllm.engine import VllmEngine
from pipeline.vllm.options import BLOCK_TOKENS
from tests.support.builders import build_noise
from tests.support.paths import MODEL

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]


def get_client(engine: VllmEngine) -> CoreClient:
    assert isinstance(engine._client, CoreClient)
    return engine._client


def build_queries(engine: VllmEngine, seed: int):  # type: ignore[no-untyped-def]
    card = engine.card
    view = build_model_image(build_noise(*geometry.fit((512, 512), card.scan_max_pixels), seed=seed))
    size = geometry.fit((100, 80), card.crop_max_pixels, enlarge=True)
    crops = [build_model_image(build_noise(*size, seed=seed + 1000 + number)) for number in (0, 1)]
    return prompts.build_global_scan(view, card.box_frame), prompts.build_local_check(view, crops, card.box_frame)


async def test_query_2_reuses_every_whole_block_of_the_shared_prefix(vllm_engine: VllmEngine) -> None:
    scan, check = build_queries(vllm_engine, 1)
    first = await vllm_engine.ask(scan)
    second = await vllm_engine.ask(check)
    ids = [get_client(vllm_engine).renderer.render_prompt(query) for query in (scan, check)]
    shared = next(i for i, (a, b) in enumerate(zip(*ids, strict=False)) if a != b)
    width, height = scan.images[0].size
    pads = width * height // geometry.PATCH_MULTIPLE_PX**2 - 1  # one placeholder becomes this many more tokens
    assert second.cached_tokens == (shared + pads) // BLOCK_TOKENS * BLOCK_TOKENS
    assert first.prompt_tokens == len(ids[0]) + pads


async def test_the_core_is_spawned_where_vllm_is_free_to_fork(vllm_engine: VllmEngine) -> None:
    (core,) = get_client(vllm_engine).llm.engine_core.resources.engine_manager.processes
    assert core.is_alive()
    assert isinstance(core, SpawnProcess)


async def test_probabilities_are_those_of_the_verdict(vllm_engine: VllmEngine) -> None:
    for seed in range(6):
        answer = await vllm_engine.ask(build_queries(vllm_engine, seed)[0])
        assert answer.text.startswith("<verdict>generated" if answer.p_generated > 0.5 else "<verdict>real")


async def test_a_query_that_takes_too_long_is_a_timeout_and_frees_its_request(vllm_engine: VllmEngine) -> None:
    options = vllm_engine._options
    vllm_engine._options = dataclasses.replace(options, query_timeout_s=0.001)
    try:
        with pytest.raises(InferenceTimeout):
            await vllm_engine.ask(build_queries(vllm_engine, 77)[0])
    finally:
        vllm_engine._options = options
    assert (await vllm_engine.ask(build_queries(vllm_engine, 77)[0])).text
    assert get_client(vllm_engine).llm.get_num_unfinished_requests() == 0


class Stuck:
    """An AsyncLLM whose core hangs: it gives no answers, and its shutdown does not return."""

    output_handler = None

    def __init__(self) -> None:
        self.has_query = asyncio.Event()
        self.may_return = threading.Event()

    async def generate(self, *_: object) -> AsyncIterator[object]:
        self.has_query.set()
        await asyncio.Event().wait()
        yield

    async def collective_rpc(self, *_: object, **__: object) -> None:
        """Return: the core's process still answers calls; only queries hang."""

    def shutdown(self, _timeout_s: float) -> None:
        self.may_return.wait()


async def test_closing_ends_what_is_under_way_and_leaves_a_shutdown_that_hangs_behind(vllm_engine: VllmEngine) -> None:
    stuck = Stuck()
    client = CoreClient(get_client(vllm_engine).renderer, stuck)  # type: ignore[arg-type]
    engine = VllmEngine(vllm_engine._checkpoint, vllm_engine._options, client)
    asking = asyncio.create_task(engine.ask(build_queries(engine, 5)[0]))
    await stuck.has_query.wait()
    await engine.close(deadline_s=0.01)
    with pytest.raises(EngineDead, match="closed"):
        await asking
    stuck.may_return.set()


async def test_an_engine_that_does_not_answer_when_it_is_warmed_up_has_not_started(vllm_engine: VllmEngine) -> None:
    stuck = Stuck()
    stuck.may_return.set()
    short_timeout = dataclasses.replace(vllm_engine._options, query_timeout_s=0.01)
    client = CoreClient(get_client(vllm_engine).renderer, stuck)  # type: ignore[arg-type]
    engine = VllmEngine(vllm_engine._checkpoint, short_timeout, client)
    with pytest.raises(EngineDead, match=r"did not answer: no answer within 0.01 s"):
        await engine._finish_start()
    assert engine._closed


def write_other_encoder(directory: Path) -> Checkpoint:
    """Write the tiny model with another vision encoder and another card, and nothing else that differs."""
    from safetensors.torch import load_file, save_file  # here: it imports torch, which takes seconds

    shutil.copytree(MODEL, directory)
    tensors = load_file(directory / "model.safetensors")
    name = min(name for name in tensors if "visual" in name and name.endswith("mlp.down_proj.weight"))
    save_file({**tensors, name: -tensors[name]}, directory / "model.safetensors", metadata={"format": "pt"})
    card = CheckpointCard.model_validate_json((directory / "zoomin.json").read_bytes())
    (directory / "zoomin.json").write_text(card.model_copy(update={"threshold": 0.4}).model_dump_json())
    return Checkpoint.read(directory)


async def ask_both(engine: VllmEngine) -> list[Answer]:
    return [await engine.ask(query) for query in build_queries(engine, 9)]


async def test_another_model_is_taken_over_with_its_card_and_empty_caches_and_a_torn_one_is_refused(
    vllm_engine: VllmEngine, tmp_path: Path
) -> None:
    own, other = Checkpoint.read(MODEL), write_other_encoder(tmp_path / "zoomin-tiny")
    torn = Checkpoint(tmp_path / "torn", other.card, "sha256:torn")
    shutil.copytree(MODEL, torn.path)
    (torn.path / "model.safetensors").write_bytes((MODEL / "model.safetensors").read_bytes()[:100_000])
    before = await ask_both(vllm_engine)
    assert vllm_engine.find_reload_obstacle(other) is None
    try:
        await vllm_engine.reload(other)
        after = await ask_both(vllm_engine)
        assert vllm_engine.card.threshold == 0.4
        assert after[0].cached_tokens == 0, "the prefix cache held what the old weights computed"
        assert after[0].p_generated != before[0].p_generated, "the encoder cache held the old encoder's view"
        with pytest.raises(BadSettings, match=r"cannot load the weights in .*torn"):
            await vllm_engine.reload(torn)
        assert vllm_engine.card.threshold == 0.4
    finally:
        await vllm_engine.reload(own)
    again = await ask_both(vllm_engine)
    assert [answer.p_generated for answer in again] == [answer.p_generated for answer in before]
    assert [answer.text for answer in again] == [answer.text for answer in before]
