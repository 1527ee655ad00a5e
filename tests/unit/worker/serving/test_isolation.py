import asyncio

import pytest

from pipeline.errors import EngineDead
from worker.serving.isolation import GROUPS, PROBING_S, Admission, Isolation

SUSPECTS = 4 * GROUPS


class Engine:
    """Queries that stay in the engine until the test answers them or kills them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.isolation = Isolation(clock=lambda: self.now)
        self.inside: dict[str, Admission] = {}
        self.poison: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Future[bool]] = {}

    async def enter(self, *events: str) -> None:
        for event in events:
            self.tasks[event] = asyncio.create_task(self._ask(event))
        await settle()

    async def answer(self, *events: str) -> None:
        for event in events or tuple(self.inside):
            self._ends[event].set_result(True)
        await settle()

    async def die(self, *, is_last_engine: bool = False) -> None:
        """All who are inside are to blame; then the next engine serves."""
        self.isolation.close()
        for event in tuple(self.inside):
            self._ends[event].set_result(False)
        await settle()
        self.isolation.open(is_last_engine=is_last_engine)
        await settle()

    async def _ask(self, event: str) -> None:
        with self.isolation.enroll(event) as ticket:
            answered = False
            while not answered:
                async with self.isolation.admit(ticket) as admission:
                    self.inside[event] = admission
                    self._ends[event] = asyncio.get_running_loop().create_future()
                    try:
                        lives = await self._ends[event]
                    finally:
                        del self.inside[event]
                    ticket.is_probed = ticket.is_probed or admission is Admission.AS_PROBE
                    if not lives and self.isolation.blame(ticket):
                        self.poison.append(event)
                        return
                    answered = lives and admission is not Admission.AS_PROBE


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def name_events(count: int, *, first: int = 0) -> list[str]:
    return [f"event {number:03d}" for number in range(first, first + count)]


@pytest.fixture
def engine() -> Engine:
    return Engine()


async def dies_with(engine: Engine, events: list[str], *, is_last_engine: bool = False) -> None:
    await engine.enter(*events)
    await engine.die(is_last_engine=is_last_engine)


async def answer_while(engine: Engine, admission: Admission) -> list[list[str]]:
    """Answer all who are inside again and again, as long as they were admitted like this."""
    rounds = []
    while engine.inside and set(engine.inside.values()) == {admission}:
        rounds.append(sorted(engine.inside))
        await engine.answer()
    return rounds


async def test_all_are_admitted_together_while_there_are_no_suspects(engine: Engine) -> None:
    events = name_events(SUSPECTS)
    await engine.enter(*events)
    assert engine.inside == dict.fromkeys(events, Admission.TOGETHER)


async def test_many_suspects_are_probed_one_by_one_and_then_asked_in_a_few_groups(engine: Engine) -> None:
    events = name_events(SUSPECTS)
    await dies_with(engine, events)
    assert await answer_while(engine, Admission.AS_PROBE) == [[event] for event in events]
    groups = await answer_while(engine, Admission.IN_GROUP)
    assert [event for group in groups for event in group] == events
    assert {len(group) for group in groups} == {SUSPECTS // GROUPS}


async def test_few_suspects_are_asked_alone_at_once(engine: Engine) -> None:
    events = name_events(2 * GROUPS - 1)
    await dies_with(engine, events)
    assert await answer_while(engine, Admission.ALONE) == [[event] for event in events]


async def test_a_probe_that_ends_the_engine_is_poison_and_the_probed_return_together_when_all_are_probed(
    engine: Engine,
) -> None:
    events = name_events(SUSPECTS)
    await dies_with(engine, events)
    for event in events[:5]:
        await engine.answer(event)
    await engine.die()
    assert engine.poison == [events[5]]
    assert await answer_while(engine, Admission.AS_PROBE) == [[event] for event in events[6:]]
    assert engine.inside == dict.fromkeys(events[:5] + events[6:], Admission.TOGETHER)


async def test_a_group_that_ends_the_engine_is_asked_alone_and_the_others_in_groups(engine: Engine) -> None:
    events = name_events(24 * GROUPS)
    await dies_with(engine, events)
    await answer_while(engine, Admission.AS_PROBE)
    guilty = sorted(engine.inside)
    await engine.die()
    assert await answer_while(engine, Admission.ALONE) == [[event] for event in guilty]
    assert set(engine.inside.values()) == {Admission.IN_GROUP}
    assert engine.poison == []


async def test_probing_has_a_limit_of_time(engine: Engine) -> None:
    events = name_events(SUSPECTS)
    await dies_with(engine, events)
    engine.now = PROBING_S
    await engine.answer()
    assert engine.inside == dict.fromkeys(events[: SUSPECTS // GROUPS], Admission.IN_GROUP)


async def test_before_the_last_death_the_oldest_is_answered_first_and_the_group_grows(engine: Engine) -> None:
    await dies_with(engine, name_events(SUSPECTS), is_last_engine=True)
    groups = await answer_while(engine, Admission.IN_GROUP)
    assert [len(group) for group in groups[:5]] == [1, 2, 4, 4, 4]


async def test_an_older_event_joins_the_suspects_and_a_younger_one_waits_for_the_last_of_them(engine: Engine) -> None:
    await dies_with(engine, ["event 2", "event 4"])
    await engine.enter("event 5", "event 3", "event 1")
    order = await answer_while(engine, Admission.ALONE)
    assert order == [["event 2"], ["event 1"], ["event 3"], ["event 4"]], "2 was inside when the others came"
    assert engine.inside == {"event 5": Admission.TOGETHER}


async def test_a_cancelled_suspect_holds_up_nobody(engine: Engine) -> None:
    await dies_with(engine, ["event 1", "event 2"])
    await engine.enter("event 3")
    for event in ("event 1", "event 2"):  # one inside, one waiting
        engine.tasks[event].cancel()
    await settle()
    assert engine.inside == {"event 3": Admission.TOGETHER}


async def test_who_was_admitted_to_an_engine_that_had_died_before_it_was_asked_is_no_suspect(engine: Engine) -> None:
    await engine.enter("event 1")
    engine.isolation.close()
    await engine.enter("event 2")
    engine.isolation.open(is_last_engine=False)
    engine.isolation.close()  # before event 2 could go on
    await engine.answer("event 1")
    assert engine.isolation.open(is_last_engine=False) == 0
    await settle()
    assert engine.inside == {"event 2": Admission.TOGETHER}


async def test_a_failure_reaches_those_who_wait_and_those_who_come(engine: Engine) -> None:
    engine.isolation.close()
    await engine.enter("event 1")
    engine.isolation.fail(EngineDead("gone for good"))
    await engine.enter("event 2")
    results = await asyncio.gather(*engine.tasks.values(), return_exceptions=True)
    assert [str(result) for result in results] == ["gone for good"] * 2
