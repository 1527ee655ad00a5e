import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from PIL import Image

from pipeline import prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Query
from pipeline.errors import BadSettings, EngineDead, EnginePoison, GenerationFailed, InferenceTimeout
from pipeline.images import build_model_image
from tests.support.engines import DigestEngine
from tests.support.virtual_time import run_in_virtual_time
from worker.common.retry import Retrier, RetryPolicy
from worker.observe.telemetry import Metrics
from worker.serving.refusal import ModelRefused, Refusal
from worker.serving.supervisor import WATCH_S, Engine, Supervisor

Before = Callable[[Query], Awaitable[None]]
POISON = (1, 2, 3)
CHECKPOINT = Checkpoint(Path("tiny"), CheckpointCard(), "sha256:0")


def query(color: object = "gray") -> Query:
    return prompts.build_global_scan(build_model_image(Image.new("RGB", (56, 56), color)), "pixels")  # type: ignore[arg-type]


def color_of(asked: Query) -> object:
    return asked.images[0].pixels.getpixel((0, 0))


async def no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


class Started:
    """Starts engines that share one `before`, and counts them."""

    def __init__(self, before: Before) -> None:
        self.engines: list[DigestEngine] = []
        self.checkpoints: list[Checkpoint] = []
        self.obstacle: str | None = None
        self.restarting = asyncio.Event()
        self._before = before

    async def __call__(self, checkpoint: Checkpoint = CHECKPOINT) -> DigestEngine:
        if self.engines:
            self.restarting.set()
        for _ in range(5):  # a start takes time, in which others ask
            await asyncio.sleep(0)
        self.checkpoints.append(checkpoint)
        self.engines.append(DigestEngine(before=self._before))
        self.engines[-1].obstacle = self.obstacle
        return self.engines[-1]


async def first_dies(start: Started) -> None:
    """Raise on the first engine, once all queries that were asked together have reached it."""
    asked_of = len(start.engines)
    await asyncio.sleep(0)
    if asked_of == 1:
        raise EngineDead("killed")


def supervisor(start: Callable[[Checkpoint], Awaitable[DigestEngine]], *, restarts: int = 3) -> Supervisor:
    policy = RetryPolicy(attempts=3, first_wait_s=1, max_wait_s=1, patience_s=60)
    retrier = Retrier(policy, clock=lambda: 0.0, sleep=no_sleep, rng=random.Random(0))
    return Supervisor(
        start,
        CHECKPOINT,
        restarts=restarts,
        retrier=retrier,
        metrics=Metrics(),
        grace_s=0.0,
        clock=lambda: 0.0,
    )


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
    assert start.engines[0].query_count == 3


async def test_a_death_is_answered_by_one_new_engine_and_everyone_asks_again() -> None:
    async def before(_query: Query) -> None:
        await first_dies(start)

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    answers = await asyncio.gather(*(owner.ask(query()) for _ in range(8)))
    assert len(answers) == 8
    assert len(start.engines) == 2, "eight asked, one restart"
    assert start.engines[0].closed


async def test_the_event_that_kills_the_engine_alone_is_poison_and_its_neighbours_are_served() -> None:
    async def before(asked: Query) -> None:
        asked_of = len(start.engines)
        await asyncio.sleep(0)
        if asked_of == 1 or color_of(asked) == POISON:
            raise EngineDead("killed by this one")

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    results = await asyncio.gather(
        *(owner.ask(query(color)) for color in ("gray", POISON, "gray", "gray")), return_exceptions=True
    )
    assert [isinstance(result, EnginePoison) for result in results] == [False, True, False, False]
    assert len(start.engines) == 3
    assert not owner.dead


async def test_suspects_are_asked_one_at_a_time() -> None:
    at_once = most = 0

    async def before(_query: Query) -> None:
        nonlocal at_once, most
        await first_dies(start)
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


async def test_the_budget_of_restarts_ends_in_a_fatal_error_and_the_poison_that_spent_it_is_named_before() -> None:
    async def before(_query: Query) -> None:
        raise EngineDead("killed")

    start = Started(before)
    owner = supervisor(start, restarts=1)
    await owner.start()
    with pytest.raises(EnginePoison, match="asked alone"):
        await owner.ask(query())
    with pytest.raises(EngineDead, match="died 2 times within an hour, 1 are allowed: killed"):
        await owner.ask(query())
    assert owner.dead
    assert not owner.ready


async def test_poison_is_named_while_the_next_engine_starts() -> None:
    restarted = asyncio.Event()

    async def before(_query: Query) -> None:
        raise EngineDead("killed")

    async def start(_checkpoint: Checkpoint) -> DigestEngine:
        if len(healthy.engines) == 2:
            await restarted.wait()
        return await healthy()

    healthy = Started(before)
    owner = supervisor(start)
    await owner.start()
    with pytest.raises(EnginePoison):
        await owner.ask(query())
    assert not owner.ready
    await owner.close()


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


async def test_an_event_that_is_dropped_during_the_restart_leaves_the_others_an_engine() -> None:
    async def before(_query: Query) -> None:
        await first_dies(start)

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    asking = [asyncio.create_task(owner.ask(query())) for _ in range(3)]
    await start.restarting.wait()
    assert not owner.ready
    asking[0].cancel()  # its partition was taken away; it was the first to find the engine dead
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["CancelledError", "Answer", "Answer"]
    assert len(start.engines) == 2


async def test_an_engine_that_does_not_come_up_again_costs_further_restarts() -> None:
    starts = iter([None, EngineDead("no memory yet"), None])

    async def before(_query: Query) -> None:
        if len(healthy.engines) == 1:
            raise EngineDead("killed")

    async def start(_checkpoint: Checkpoint) -> DigestEngine:
        if error := next(starts):
            raise error
        return await healthy()

    healthy = Started(before)
    owner = supervisor(start, restarts=2)
    await owner.start()
    assert (await owner.ask(query())).text
    assert owner.ready


async def test_an_engine_that_never_comes_up_again_ends_in_a_fatal_error_for_all() -> None:
    attempts = 0

    async def before(_query: Query) -> None:
        raise EngineDead("killed")

    async def start(_checkpoint: Checkpoint) -> DigestEngine:
        nonlocal attempts
        attempts += 1
        if attempts > 1:
            raise EngineDead("no memory at all")
        return await first()

    first = Started(before)
    owner = supervisor(start, restarts=3)
    await owner.start()
    results = await asyncio.gather(*(owner.ask(query()) for _ in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [EngineDead] * 4
    assert "no memory at all" in str(results[0])
    assert attempts == 4, "one start and three restarts, however many wait for them"
    assert owner.dead


async def test_a_restart_that_misses_its_deadline_makes_the_engine_dead() -> None:
    async def hang() -> None:
        raise EngineDead("the engine did not start within 9 s")

    owner = await with_an_engine_that_dies(starting=hang)
    with pytest.raises(EngineDead, match=r"died 2 times .* did not start within 9 s"):
        await owner.ask(query())
    assert owner.dead


async def test_a_restart_that_fails_by_a_bug_of_ours_is_fatal_and_no_event_pays() -> None:
    async def bug() -> None:
        raise ZeroDivisionError("ours")

    owner = await with_an_engine_that_dies(starting=bug)
    results = await asyncio.gather(*(owner.ask(query()) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [EngineDead] * 3
    assert "ZeroDivisionError" in str(results[0])
    assert owner.dead


async def test_those_who_waited_for_an_engine_that_dies_at_their_first_query_count_one_death() -> None:
    async def before(_query: Query) -> None:
        if len(start.engines) <= 3:
            raise EngineDead("killed")

    start = Started(before)
    owner = supervisor(start, restarts=3)
    await owner.start()
    with pytest.raises(EnginePoison):
        await owner.ask(query())
    answers = await asyncio.gather(*(owner.ask(query()) for _ in range(6)))
    assert len(answers) == 6
    assert len(start.engines) == 4


async def test_suspects_are_asked_to_their_end_in_the_order_of_their_names() -> None:
    asked: list[object] = []

    async def before(to: Query) -> None:
        await first_dies(start)
        asked.append(color_of(to))

    async def event(number: int) -> None:
        await owner.ask(query((number, 0, 1)))
        await owner.ask(query((number, 0, 2)))

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    await asyncio.gather(*(asyncio.create_task(event(n), name=f"event {n}") for n in (3, 1, 2)))
    assert asked.index((1, 0, 2)) < asked.index((3, 0, 1)), "an older event's second query before a younger one's first"


async def test_an_older_event_that_comes_later_is_asked_before_the_suspects_and_a_younger_one_waits_for_them() -> None:
    asked: list[object] = []

    async def before(to: Query) -> None:
        await first_dies(start)
        asked.append(color_of(to))

    async def event(number: int) -> None:
        if number != 2:  # a picture that took longer to fetch
            await start.restarting.wait()
        await owner.ask(query((number, 0, 0)))

    start = Started(before)
    owner = supervisor(start)
    await owner.start()
    await asyncio.gather(*(asyncio.create_task(event(n), name=f"event {n}") for n in (1, 2, 3)))
    assert asked == [(1, 0, 0), (2, 0, 0), (3, 0, 0)]


async def test_closing_ends_a_restart_that_is_under_way() -> None:
    restarting = asyncio.Event()

    async def hang() -> None:
        restarting.set()
        await asyncio.Event().wait()

    owner = await with_an_engine_that_dies(starting=hang)
    asking = asyncio.create_task(owner.ask(query()))
    await restarting.wait()
    asking.cancel()
    await owner.close()
    await asyncio.gather(asking, return_exceptions=True)
    assert len(asyncio.all_tasks()) == 1, "nothing goes on but this test"


def test_the_death_of_an_idle_engine_is_seen_at_once_and_another_one_is_started() -> None:
    async def program() -> None:
        start = Started(answer_at_once)
        owner = supervisor(start)
        await owner.start()
        assert owner.ready
        start.engines[0].dead = True
        assert not owner.ready
        await asyncio.sleep(WATCH_S)
        await asyncio.sleep(0.1)
        assert owner.ready
        assert len(start.engines) == 2
        assert start.engines[0].closed
        await asyncio.sleep(10 * WATCH_S)
        assert len(start.engines) == 2
        await owner.close()

    run_in_virtual_time(program())


async def answer_at_once(_query: Query) -> None:
    pass


async def with_an_engine_that_dies(*, starting: Callable[[], Awaitable[object]]) -> Supervisor:
    """Whose first engine dies at every query; each later start begins with `starting`."""

    async def before(_query: Query) -> None:
        raise EngineDead("killed")

    started = itertools.count()

    async def start(_checkpoint: Checkpoint) -> DigestEngine:
        if next(started):
            await starting()
        return DigestEngine(before=before)

    owner = supervisor(start, restarts=1)
    await owner.start()
    return owner


NEW = Checkpoint(Path("tiny"), CheckpointCard(max_crops=2), "sha256:1")


async def pass_examination(_engine: Engine) -> None:
    pass


async def build_started(before: Before | None = None) -> tuple[Started, Supervisor]:
    start = Started(before or answer_at_once)
    owner = supervisor(start)
    await owner.start()
    return start, owner


async def die(start: Started, owner: Supervisor) -> None:
    """Let the engine die in a query, and wait until the next one serves."""
    start.engines[-1].closed = True  # DigestEngine then raises EngineDead
    await owner.ask(query())


async def test_new_weights_go_into_the_engine_that_runs_and_a_later_start_is_of_the_new_checkpoint() -> None:
    start, owner = await build_started()
    assert await owner.change_checkpoint(NEW, pass_examination) is None
    assert (len(start.engines), start.engines[0].reloaded) == (1, [NEW])
    assert owner.card == NEW.card
    await die(start, owner)
    assert start.checkpoints == [CHECKPOINT, NEW]
    await owner.close()


async def test_what_only_a_new_engine_takes_over_restarts_it() -> None:
    start, owner = await build_started()
    start.engines[0].obstacle = "config.json differs"
    assert await owner.change_checkpoint(NEW, pass_examination) == "config.json differs"
    assert start.checkpoints == [CHECKPOINT, NEW]
    assert start.engines[0].closed
    assert owner.ready
    await owner.close()


def test_while_the_checkpoint_changes_the_engine_is_not_ready_and_its_end_is_no_death() -> None:
    async def program() -> None:
        async def examine(_engine: Engine) -> None:
            start.engines[0].dead = True
            await asyncio.sleep(3 * WATCH_S)
            assert not owner.ready
            assert len(start.engines) == 1
            start.engines[0].dead = False

        start, owner = await build_started()
        await owner.change_checkpoint(NEW, examine)
        assert owner.ready
        await owner.close()

    run_in_virtual_time(program())


@pytest.mark.parametrize("error", [BadSettings("torn file"), EngineDead("core gone"), ZeroDivisionError("ours")])
async def test_weights_that_do_not_load_are_refused_and_the_old_ones_serve_again(error: Exception) -> None:
    start, owner = await build_started()
    start.engines[0].reload_errors = [error]
    with pytest.raises(ModelRefused, match=r"torn file|core gone|ZeroDivisionError: ours") as caught:
        await owner.change_checkpoint(NEW, pass_examination)
    assert caught.value.reason is Refusal.LOAD
    assert (len(start.engines), start.engines[0].reloaded) == (1, [NEW, CHECKPOINT])
    await die(start, owner)
    assert start.checkpoints == [CHECKPOINT, CHECKPOINT]
    await owner.close()


async def test_an_engine_that_takes_the_old_weights_no_more_is_replaced_by_one_that_has_them() -> None:
    start, owner = await build_started()
    start.engines[0].reload_errors = [BadSettings("torn file"), EngineDead("core gone")]
    with pytest.raises(ModelRefused, match="torn file"):
        await owner.change_checkpoint(NEW, pass_examination)
    assert start.checkpoints == [CHECKPOINT, CHECKPOINT]
    assert owner.ready
    assert (await owner.ask(query())).text
    await owner.close()


async def test_a_model_that_fails_its_examination_is_refused_after_a_restart_too() -> None:
    async def fail(_engine: Engine) -> None:
        raise ModelRefused(Refusal.SMOKE, "another verdict")

    start, owner = await build_started()
    start.engines[0].obstacle = start.obstacle = "config.json differs"
    with pytest.raises(ModelRefused, match="another verdict"):
        await owner.change_checkpoint(NEW, fail)
    assert start.checkpoints == [CHECKPOINT, NEW, CHECKPOINT]
    assert [engine.closed for engine in start.engines] == [True, True, False]
    await owner.close()


async def test_an_engine_on_which_the_old_checkpoint_starts_no_more_is_dead() -> None:
    starts = iter([None, EngineDead("does not start"), *[EngineDead("no memory")] * 9])

    async def start(_checkpoint: Checkpoint) -> DigestEngine:
        if error := next(starts):
            raise error
        return await healthy()

    healthy = Started(answer_at_once)
    owner = supervisor(start)
    await owner.start()
    healthy.engines[0].obstacle = "config.json differs"
    with pytest.raises(EngineDead, match="no memory"):
        await owner.change_checkpoint(NEW, pass_examination)
    assert owner.dead
    with pytest.raises(EngineDead, match="no memory"):
        await owner.ask(query())
    await owner.close()


async def test_a_change_waits_for_a_restart_that_is_under_way() -> None:
    start, owner = await build_started()
    start.engines[0].dead = True
    assert await owner.change_checkpoint(NEW, pass_examination) is None
    assert start.checkpoints == [CHECKPOINT, CHECKPOINT]
    assert [engine.reloaded for engine in start.engines] == [[], [NEW]]
    await owner.close()
