"""Follows the champion pointer of a registry: a new champion is fetched while the old one serves, then taken over.

Invariant: the revision that serves stays in the cache, so that the engine can start on it again at any time.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from pipeline.errors import BadSettings, EngineDead, OutageError, ZoomInError
from pipeline.registry.address import ModelAddress
from pipeline.registry.registry import Pointer
from pipeline.vllm.abandonable import run_in_abandonable_thread
from worker.common.sections import EngineSettings, StoreSettings
from worker.observe import telemetry
from worker.observe.telemetry import Metrics
from worker.serving.barrier import EventsInside
from worker.serving.refusal import ModelRefused
from worker.serving.revisions import LocalModel, Revisions, open_revisions


class ChampionFollower:
    def __init__(
        self,
        revisions: Revisions,
        serving: LocalModel,
        take_over: Callable[[LocalModel], Awaitable[None]],
        *,
        interval_s: float,
        spread_s: float,
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """Each worker takes a new champion over after a random time up to `spread_s`."""
        self._revisions = revisions
        self._serving = serving
        self._take_over = take_over
        self._interval_s = interval_s
        self._spread_s = spread_s
        self._metrics = metrics
        self._sleep = sleep
        self._rng = rng or random.Random()
        self._refused_etag: str | None = None
        self._is_readable = True

    async def run(self) -> None:
        """Look at the pointer again and again, until cancelled. Raises: EngineDead if the old model starts no more."""
        while True:
            await self._sleep(self._interval_s)
            try:
                await self._look()
            except EngineDead:
                raise
            except (OutageError, BadSettings, OSError) as error:  # OSError: the disk of the cache
                self._note_unreadable(error)
            except Exception:  # noqa: BLE001 - our bug; the model that serves goes on
                telemetry.get_logger().exception(telemetry.FOLLOW_FAILED)

    def close(self) -> None:
        """Let go of the model that serves."""
        self._serving.hold.close()

    async def _look(self) -> None:
        pointer = await self._read_pointer()
        if pointer.champion.revision == self._serving.checkpoint.revision or pointer.etag == self._refused_etag:
            self._note_readable()
            return
        try:
            await self._follow(pointer)
        except ModelRefused as refusal:
            self._note_refusal(pointer, refusal)
        except EventsInside:
            telemetry.get_logger().warning(telemetry.MODEL_SWAP_POSTPONED, revision=pointer.champion.revision)
        self._note_readable()

    async def _follow(self, pointer: Pointer) -> None:
        revision = pointer.champion.revision
        fetch = partial(self._revisions.fetch, revision)
        model = await run_in_abandonable_thread(fetch, dispose=lambda late: late.hold.close())
        with model.hold:
            await self._sleep(self._rng.uniform(0, self._spread_s))
            if (await self._read_pointer()).champion.revision != revision:
                return  # it changed meanwhile; the next look decides
            await self._take_over(model)
            self.close()
            self._serving = LocalModel(model.checkpoint, model.smoke, model.hold.pop_all())

    async def _read_pointer(self) -> Pointer:
        return await run_in_abandonable_thread(self._revisions.read_pointer)

    def _note_refusal(self, pointer: Pointer, refusal: ModelRefused) -> None:
        self._refused_etag = pointer.etag
        self._metrics.model_refused.labels(refusal.reason).inc()
        telemetry.get_logger().error(
            telemetry.MODEL_REFUSED,
            revision=pointer.champion.revision,
            serving=self._serving.checkpoint.revision,
            reason=refusal.reason,
            detail=refusal.detail,
        )

    def _note_unreadable(self, error: ZoomInError | OSError) -> None:
        """Log the first of several failed looks; the next look tries again."""
        if self._is_readable:
            detail = error.detail if isinstance(error, ZoomInError) else str(error)
            telemetry.get_logger().warning(telemetry.REGISTRY_UNREADABLE, detail=detail)
        self._is_readable = False

    def _note_readable(self) -> None:
        if not self._is_readable:
            telemetry.get_logger().info(telemetry.REGISTRY_READABLE)
        self._is_readable = True


@asynccontextmanager
async def follow_champion(
    engine: EngineSettings,
    store: StoreSettings,
    serving: LocalModel,
    take_over: Callable[[LocalModel], Awaitable[None]],
    metrics: Metrics,
) -> AsyncIterator[None]:
    """Follow the champion of the settings' registry in a task, for as long as the context lasts."""
    assert isinstance(engine.model, ModelAddress), "the settings allow nothing else"
    with open_revisions(engine.model, engine, store) as revisions:
        follower = ChampionFollower(
            revisions,
            serving,
            take_over,
            interval_s=engine.follow_s,
            spread_s=engine.follow_spread_s,
            metrics=metrics,
        )
        following = asyncio.create_task(follower.run(), name="champion follower")
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            follower.close()
