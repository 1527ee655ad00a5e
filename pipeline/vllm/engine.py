"""Implements the VisionEngine port on vLLM's V1 engine.

The engine's core is a child process; requests in flight fail at once if it dies, and a new engine may be started.
Invariant: every image reaches the engine in a size that its processor does not change, with a digest of its pixels.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

from PIL import Image

from pipeline import geometry, images, prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead, InferenceTimeout
from pipeline.vllm.abandonable import run_in_abandonable_thread, start_or_abandon
from pipeline.vllm.core_client import CoreClient, take_first_line
from pipeline.vllm.fronts import Fronts
from pipeline.vllm.options import EngineOptions, build_arguments
from pipeline.vllm.reloading import find_reload_obstacle
from pipeline.vllm.rendering import Renderer
from pipeline.vllm.runtime import check_libraries, read_vllm_version

WARM_UP_TOKENS = 8  # an answer that is longer prepares nothing more
CLOSE_DEADLINE_S = 30.0  # then a shutdown that hangs is abandoned


class Client(Protocol):
    """The way to the core: from this process, or through fronts in processes of their own."""

    @property
    def dead(self) -> bool: ...

    async def connect(self) -> None:
        """Prepare for queries, once, in the event loop that will ask."""

    async def ask(self, query: Query, temperature: float) -> Answer: ...

    async def sleep(self) -> None: ...

    async def wake_up(self) -> None: ...

    async def reload_weights(self, path: Path) -> None: ...

    async def stop(self) -> None:
        """Read no more answers, before `shutdown`."""

    def shutdown(self) -> None:
        """End all processes of the engine, and wait until they are gone."""


class VllmEngine:
    """An engine that serves one checkpoint. `start` creates it, `close` ends it."""

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions, client: Client) -> None:
        self._checkpoint = checkpoint
        self._options = options
        self._client = client
        self._limits: set[asyncio.Timeout] = set()
        self._closed = False

    @classmethod
    async def start(cls, checkpoint: Checkpoint, options: EngineOptions) -> Self:
        """Load the model, compile the grammars and ask both queries once: one to two minutes on a CPU.

        Raises: BadSettings if checkpoint and options cannot work together; EngineDead if the engine does not start
            within `start_timeout_s`.
        """

        async def finish(client: Client) -> Self:
            engine = cls(checkpoint, options, client)
            await engine._finish_start()
            return engine

        return await start_or_abandon(
            lambda: _start_client(checkpoint, options), finish, timeout_s=options.start_timeout_s
        )

    @property
    def card(self) -> CheckpointCard:
        return self._checkpoint.card

    @property
    def version(self) -> str:
        return f"vllm {read_vllm_version()}"

    @property
    def dead(self) -> bool:
        """True once the engine is closed or one of its processes has ended, also while nobody asks."""
        return self._closed or self._client.dead

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        """Ask the model one query; cancelling the call frees the engine's request.

        Raises: GenerationFailed, InferenceTimeout, EngineDead.
        """
        if self._closed:
            raise EngineDead("the engine was closed")
        limit = asyncio.timeout(self._options.query_timeout_s)
        self._limits.add(limit)
        try:
            async with limit:
                return await self._client.ask(query, temperature)
        except TimeoutError as error:
            if self._closed:
                raise EngineDead("the engine was closed while it was asked") from error
            raise InferenceTimeout(f"no answer within {self._options.query_timeout_s:g} s") from error
        finally:
            self._limits.discard(limit)

    async def sleep(self) -> None:
        """Move the weights out of the GPU's memory; needs `sleep_mode`, and no query in flight."""
        await self._client.sleep()

    async def wake_up(self) -> None:
        await self._client.wake_up()

    async def reload_weights(self, path: Path) -> None:
        """Wait for the queries in flight, then serve the weights in the checkpoint directory `path`.

        Raises: BadSettings if they cannot be loaded, after which the engine may hold parts of both; EngineDead.
        """
        await self._client.reload_weights(path)

    def find_reload_obstacle(self, checkpoint: Checkpoint) -> str | None:
        """Return what only a new engine can take over from this checkpoint; None if `reload` can take over all."""
        return find_reload_obstacle(self._checkpoint, checkpoint)

    async def reload(self, checkpoint: Checkpoint) -> None:
        """Serve another checkpoint, its card included; nobody may ask meanwhile. Raises: as `reload_weights`."""
        await self.reload_weights(checkpoint.path)
        self._checkpoint = checkpoint

    async def close(self, *, deadline_s: float = CLOSE_DEADLINE_S) -> None:
        """Shut the engine down; queries in flight fail with EngineDead at once and do not wait for their timeout."""
        self._closed = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._client.stop()
                await run_in_abandonable_thread(self._client.shutdown)

    async def _finish_start(self) -> None:
        try:
            await self._client.connect()
            await self._warm_up()
        except Exception as error:
            await self.close()
            raise EngineDead(f"the engine started and then did not answer: {take_first_line(error)}") from error

    async def _warm_up(self) -> None:
        # The two queries have different shapes: grammars compile and caches fill before the first event. Each front
        # gets the next new view, so that every one of them warms up.
        frame = self.card.box_frame
        for number in range(self._options.fronts):
            view, crop = (
                images.build_model_image(Image.new("RGB", size, (128, 128, number)))
                for size in (
                    geometry.fit((512, 512), self.card.scan_max_pixels),
                    geometry.fit((100, 100), self.card.crop_max_pixels, enlarge=True),
                )
            )
            for query in (prompts.build_global_scan(view, frame), prompts.build_local_check(view, [crop], frame)):
                await self.ask(replace(query, max_tokens=WARM_UP_TOKENS))


def _start_client(checkpoint: Checkpoint, options: EngineOptions) -> Client:
    check_libraries()
    renderer = Renderer(checkpoint, max_model_len=options.max_model_len)
    try:
        if options.fronts > 1:
            return Fronts.start(checkpoint, options, max_model_len=renderer.max_model_len)
        return _start_core(checkpoint, options, renderer)
    except Exception as error:
        raise EngineDead(f"the engine did not start on {checkpoint.path}: {take_first_line(error)}") from error


def _start_core(checkpoint: Checkpoint, options: EngineOptions, renderer: Renderer) -> CoreClient:
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments = build_arguments(checkpoint, options, renderer.max_model_len)
    return CoreClient(renderer, AsyncLLM.from_engine_args(arguments), reuse=options.reuse)
