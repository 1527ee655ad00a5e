import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from PIL import Image

from pipeline import prompts
from pipeline.engine import Query
from pipeline.errors import EngineDead, EnginePoison, GenerationFailed, InferenceTimeout
from tests.engines import DigestEngine
from worker.retry import Retrier, RetryPolicy
from worker.supervisor import Supervisor
from worker.telemetry import Metrics

Before = Callable[[Query], Awaitable[None]]
POISON = (1, 2, 3)


def query(color: object = "gray") -> Query:
    return prompts.global_scan(Image.new("RGB", (56, 56), color), "pixels")  # type: ignore[arg-type]


def color_of(asked: Query) -> object:
    return asked.images[0].getpixel((0, 0))


async def no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


class Started:
    """Starts engines that share one `before`, and counts them."""

    def __init__(self, before: Before) -> None:
        self.engines: list[DigestEngine] = []
        self._before = before

    async def __call__(self) -> DigestEngine:
        self.engines.append(DigestEngine(before=self._before))
        return self.engines[-1]


def supervisor(start: Started, *, restarts: int = 3) -> Supervisor:
    policy = RetryPolicy(attempts=3, first_wait_s=1, max_wait_s=1, patience_s=60)
    retrier = Retrier(policy, clock=lambda: 0.0, sleep=no_sleep, rng=random.Random(0))
    return Supervisor(start, restarts=restarts, retrier=retrier, metrics=Metrics(), clock=lambda: 0.0)


async def test_bad_luck_is_tried_again_on_the_same_engine() -> None:
    failures = iter([GenerationFailed("once"), GenerationFailed("twice")])

    async def before(_query: Query) -> None:
        if error := next(failures, None):
            raise error

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    answer = await owner.ask(query())
    assert answer.text.startswith("<verdict>")
    assert start.engines[0].asked == 3


async def test_a_death_is_answered_by_one_new_engine_and_everyone_asks_again() -> None:
    async def before(_query: Query) -> None:
        asked_of = len(start.engines)
        await asyncio.sleep(0)
        if asked_of == 1:
            raise EngineDead("killed")

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    answers = await asyncio.gather(*(owner.ask(query()) for _ in range(8)))
    assert len(answers) == 8
    assert len(start.engines) == 2, "eight asked, one restart"
    assert start.engines[0].closed


async def test_the_event_that_kills_the_engine_alone_is_poison_and_its_neighbours_are_served() -> None:
    async def before(asked: Query) -> None:
        await asyncio.sleep(0)
        if color_of(asked) == POISON:
            raise EngineDead("killed by this one")

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    results = await asyncio.gather(
        *(owner.ask(query(color)) for color in ("gray", POISON, "gray")), return_exceptions=True
    )
    assert [isinstance(result, EnginePoison) for result in results] == [False, True, False]
    assert not owner.dead


async def test_suspects_are_asked_one_at_a_time() -> None:
    at_once = most = 0

    async def before(_query: Query) -> None:
        nonlocal at_once, most
        asked_of = len(start.engines)
        await asyncio.sleep(0)
        if asked_of == 1:
            raise EngineDead("killed")
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    suspects = [asyncio.create_task(owner.ask(query())) for _ in range(4)]
    await asyncio.gather(*suspects)
    assert most == 1


async def test_the_budget_of_restarts_ends_in_a_fatal_error() -> None:
    async def before(_query: Query) -> None:
        raise EngineDead("killed")

    start = Started(before)
    owner = supervisor(start, restarts=1)
    await owner.start()
    with pytest.raises(EngineDead, match="1 are allowed"):
        await owner.ask(query())
    assert owner.dead
    assert not owner.ready


async def test_a_timeout_while_others_finish_counts_against_the_event() -> None:
    async def before(asked: Query) -> None:
        if color_of(asked) == POISON:
            await owner.ask(query())  # somebody else is answered meanwhile
            raise InferenceTimeout("too slow")

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    with pytest.raises(InferenceTimeout) as caught:
        await owner.ask(query(POISON))
    assert caught.value.attempts == 3
    assert len(start.engines) == 1


async def test_a_timeout_while_nobody_finishes_is_the_engine() -> None:
    async def before(_query: Query) -> None:
        if len(start.engines) == 1:
            raise InferenceTimeout("stuck")

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    assert (await owner.ask(query())).text
    assert len(start.engines) == 2
