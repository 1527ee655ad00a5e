import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import structlog.testing

from pipeline.errors import CacheFull, EngineDead, StoreUnavailable
from pipeline.registry.address import ModelAddress
from pipeline.registry.cache import RevisionCache
from tests.support.memory_registry import NAME, MemoryRegistry
from worker.observe.telemetry import Metrics
from worker.serving.barrier import EventsInside
from worker.serving.follower import ChampionFollower
from worker.serving.refusal import ModelRefused, Refusal
from worker.serving.revisions import LocalModel, Revisions

INTERVAL_S, SPREAD_S = 30.0, 60.0


class Following:
    """A follower of a registry in memory; `look` lets it look once, `events` are the lines of its log."""

    def __init__(self, memory: MemoryRegistry, serving: str) -> None:
        self.memory = memory
        self.metrics = Metrics()
        self.taken_over: list[str] = []
        self.errors: list[Exception] = []
        """what the next ones raise that are taken over"""
        self.during_spread: Callable[[], None] = lambda: None
        self.slept: list[float] = []
        self._turn = asyncio.Semaphore(0)
        self._looked = asyncio.Event()
        revisions = Revisions(memory.registry, cast("RevisionCache", memory), ModelAddress("weights", NAME))
        self.follower = ChampionFollower(
            revisions,
            revisions.fetch(serving),
            self._take_over,
            interval_s=INTERVAL_S,
            spread_s=SPREAD_S,
            metrics=self.metrics,
            sleep=self._sleep,
            rng=random.Random(1),
        )
        self.task = asyncio.create_task(self.follower.run())

    async def look(self) -> list[str]:
        """Let it look once; return the names of its log events."""
        with structlog.testing.capture_logs() as lines:
            self._looked.clear()
            self._turn.release()
            looked = asyncio.create_task(self._looked.wait())
            await asyncio.wait({looked, self.task}, return_when=asyncio.FIRST_COMPLETED)
            looked.cancel()
        return [line["event"] for line in lines]

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds == INTERVAL_S:
            if self.slept.count(INTERVAL_S) > 1:
                self._looked.set()
            await self._turn.acquire()
        else:
            self.during_spread()

    async def _take_over(self, model: LocalModel) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken_over.append(model.checkpoint.revision)

    def count_refused(self, reason: Refusal) -> float | None:
        return self.metrics.registry.get_sample_value("zoomin_model_refused_total", {"reason": reason})


@pytest.fixture
def memory(tmp_path: Path) -> MemoryRegistry:
    return MemoryRegistry(tmp_path)


@pytest.fixture
async def setting(memory: MemoryRegistry):  # type: ignore[no-untyped-def]
    old, new = memory.push("old"), memory.push("new")
    memory.promote(old)
    following = Following(memory, old)
    yield following, old, new
    following.task.cancel()
    await asyncio.gather(following.task, return_exceptions=True)


Setting = tuple[Following, str, str]


async def test_a_new_champion_is_taken_over_after_a_random_time_and_the_old_one_is_let_go(setting: Setting) -> None:
    following, old, new = setting
    await following.look()
    assert (following.taken_over, following.memory.held) == ([], [old])
    following.memory.promote(new)
    await following.look()
    assert following.taken_over == [new]
    (spread_s,) = [seconds for seconds in following.slept if seconds != INTERVAL_S]
    assert 0 < spread_s < SPREAD_S
    assert following.memory.held == [new]
    await following.look()
    assert following.taken_over == [new]
    following.follower.close()
    assert following.memory.held == []


async def test_a_rollback_is_one_more_champion(setting: Setting) -> None:
    following, old, new = setting
    for revision in (new, old):
        following.memory.promote(revision)
        await following.look()
    assert following.taken_over == [new, old]


async def test_a_pointer_that_goes_back_before_the_swap_causes_none(setting: Setting) -> None:
    following, old, new = setting
    following.memory.promote(new)
    following.during_spread = lambda: following.memory.promote(old)
    await following.look()
    assert (following.taken_over, following.memory.held) == ([], [old])


async def test_a_refused_champion_is_not_tried_again_until_the_pointer_changes(setting: Setting) -> None:
    following, old, new = setting
    following.memory.promote(new)
    following.errors = [ModelRefused(Refusal.SMOKE, "another verdict")]
    assert await following.look() == ["model_refused"]
    assert await following.look() == []
    assert (following.count_refused(Refusal.SMOKE), following.memory.held) == (1, [old])
    following.memory.promote(old)
    assert await following.look() == []
    following.memory.promote(new)
    await following.look()
    assert following.taken_over == [new]


async def test_a_pointer_to_nothing_is_refused_with_its_name(setting: Setting) -> None:
    following, _, _ = setting
    following.memory.promote("sha256:" + "0" * 64)
    assert await following.look() == ["model_refused"]
    assert following.count_refused(Refusal.MANIFEST) == 1


async def test_a_swap_that_was_put_off_is_tried_again_at_the_next_look(setting: Setting) -> None:
    following, _, new = setting
    following.memory.promote(new)
    following.errors = [EventsInside()]
    assert await following.look() == ["model_swap_postponed"]
    await following.look()
    assert following.taken_over == [new]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), CacheFull("no room"), OSError("disk full")])
async def test_an_outage_is_logged_once_and_looked_at_again(setting: Setting, error: Exception) -> None:
    following, _, new = setting
    following.memory.promote(new)
    following.memory.error = error
    assert await following.look() == ["registry_unreadable"]
    assert await following.look() == []
    following.memory.error = None
    assert await following.look() == ["registry_readable"]
    assert following.taken_over == [new]


async def test_a_pointer_that_cannot_be_read_leaves_the_old_model(setting: Setting) -> None:
    following, _, _ = setting
    following.memory.put("champion.json", b"no pointer")
    assert await following.look() == ["registry_unreadable"]
    following.memory.s3.objects.clear()
    assert await following.look() == []
    assert not following.task.done()


async def test_a_bug_of_ours_does_not_end_the_following_and_a_dead_engine_does(setting: Setting) -> None:
    following, _, new = setting
    following.memory.promote(new)
    following.errors = [ZeroDivisionError("ours"), EngineDead("no memory")]
    assert await following.look() == ["follow_failed"]
    await following.look()
    assert isinstance(following.task.exception(), EngineDead)
