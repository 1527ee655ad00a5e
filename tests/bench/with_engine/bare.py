"""The two queries on a bare engine, from memory: what the worker could reach if it cost nothing."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline import geometry, images, prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.decoding.decode import decode
from pipeline.engine import Answer, Query
from pipeline.local_image import LocalImage
from pipeline.verdict import Inspection, RgbImage
from pipeline.vllm.core_client import CoreClient
from pipeline.vllm.engine import VllmEngine
from pipeline.vllm.options import BLOCK_TOKENS
from pipeline.zoomin import inspect
from tests.bench.run.job import MAX_PIXELS, Job, Result
from tests.bench.run.pictures import Pictures
from tests.bench.with_engine.encoder_runs import METHOD


class CountingEngine(VllmEngine):
    @property
    def _core(self) -> CoreClient:
        assert isinstance(self._client, CoreClient)
        return self._client

    async def encoder_runs(self) -> int:
        """Images that the vision encoder has computed since this was first asked."""
        return sum(await self._core.llm.collective_rpc(METHOD))

    async def forget(self) -> None:
        """Its caches are empty afterwards, as after a start."""
        await self._core.llm.reset_prefix_cache()
        await self._core.llm.reset_mm_cache()
        await self._core.llm.reset_encoder_cache()

    def whole_shared_blocks(self, scan: Query, check: Query) -> int:
        """Tokens of the shared prefix of both queries, rounded down to a block."""
        ids = self._core.renderer.render_prompt(scan), self._core.renderer.render_prompt(check)
        shared = next(i for i, (a, b) in enumerate(zip(*ids, strict=False)) if a != b)
        width, height = scan.images[0].size
        shared += width * height // geometry.PATCH_MULTIPLE_PX**2 - 1  # its one placeholder becomes that many tokens
        return shared // BLOCK_TOKENS * BLOCK_TOKENS


@dataclass
class Observed:
    """One image's engine: the product's own, and a record of what it was asked and what it said."""

    engine: CountingEngine
    asked: list[tuple[Query, Answer]] = field(default_factory=list)
    scan_s: float = 0.0

    @property
    def card(self) -> CheckpointCard:
        return self.engine.card

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        answer = await self.engine.ask(query, temperature=temperature)
        self.asked.append((query, answer))
        return answer

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        if name == "scan":
            self.scan_s = time.perf_counter() - began

    @property
    def exact(self) -> bool:
        scan, check = self.asked[0][0], self.asked[-1][0]
        return self.asked[-1][1].cached_tokens == self.engine.whole_shared_blocks(scan, check)


async def perform(job: Job, engine: CountingEngine) -> Result:
    pictures = Pictures()
    waiting = [decode(pictures.jpeg(job.first + n), max_pixels=MAX_PIXELS) for n in range(job.count)]
    observed: list[Observed] = []
    crops: list[int] = []
    finished_s: list[float] = []
    runs_before = await engine.encoder_runs()
    began = time.perf_counter()

    async def lane() -> None:
        while waiting:
            image = waiting.pop()
            watched = Observed(engine)
            observed.append(watched)
            crops.append(await _judge(image, watched, job.queries))
            finished_s.append(time.perf_counter() - began)

    await asyncio.gather(*(lane() for _ in range(job.concurrency)))
    seconds = time.perf_counter() - began
    answers = [answer for one in observed for _, answer in one.asked]
    return Result(
        seconds=seconds,
        finished_s=finished_s,
        scan_s=sum(one.scan_s for one in observed),
        encoder_runs=await engine.encoder_runs() - runs_before,
        crops=sum(crops),
        exact=sum(one.exact for one in observed) if job.queries == 2 else 0,
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        cached_tokens=sum(answer.cached_tokens for answer in answers),
        answer_tokens=sum(answer.answer_tokens for answer in answers),
    )


async def _judge(image: RgbImage, engine: Observed, queries: int) -> int:
    """How many crops Query 2 saw."""
    if queries == 1:
        view = images.build_view(image, engine.card.scan_max_pixels)
        await engine.ask(prompts.build_global_scan(view, engine.card.box_frame))
        return 0
    inspection: Inspection = await inspect(LocalImage(image), engine, stage=engine.stage)
    return len(inspection.crops)
