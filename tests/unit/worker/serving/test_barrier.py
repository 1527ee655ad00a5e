import asyncio
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.wire.messages import ModelRef
from worker.serving.barrier import EventsInside, ModelBarrier, ServedModel


def build_model(revision: str) -> ServedModel:
    ref = ModelRef(name="tiny", revision=revision, prompt_version="1", prompt_sha256="0", engine="stand-in")
    return ServedModel(Checkpoint(Path("tiny"), CheckpointCard(), revision), ref)


OLD, NEW = build_model("sha256:old"), build_model("sha256:new")


class Event:
    """An event that is judged until the test lets it go."""

    def __init__(self, barrier: ModelBarrier) -> None:
        self.models: list[ServedModel] = []
        self.may_leave = asyncio.Event()
        self._barrier = barrier
        self.task = asyncio.create_task(self._judge())

    async def _judge(self) -> None:
        async with self._barrier.enter() as model:
            self.models.append(model)
            await self.may_leave.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def swap(barrier: ModelBarrier, *, deadline_s: float = 60.0) -> None:
    async with barrier.close(deadline_s=deadline_s):
        barrier.change_model(NEW)


async def test_an_event_inside_keeps_its_model_and_those_that_come_wait_for_the_next_one() -> None:
    barrier = ModelBarrier(OLD)
    first = Event(barrier)
    await settle()
    swapping = asyncio.create_task(swap(barrier))
    await settle()
    second = Event(barrier)
    await settle()
    assert (first.models, second.models, swapping.done()) == ([OLD], [], False)
    first.may_leave.set()
    await settle()
    assert (swapping.done(), second.models) == (True, [NEW])
    second.may_leave.set()
    await asyncio.gather(first.task, second.task)


async def test_at_the_deadline_the_old_model_goes_on() -> None:
    barrier = ModelBarrier(OLD)
    first = Event(barrier)
    await settle()
    with pytest.raises(EventsInside):
        await swap(barrier, deadline_s=0.001)
    second = Event(barrier)
    await settle()
    assert second.models == [OLD]
    for event in (first, second):
        event.may_leave.set()
        await event.task


async def test_who_waits_does_not_enter_a_gate_that_is_closed_again_at_once() -> None:
    barrier = ModelBarrier(OLD)
    async with barrier.close(deadline_s=1.0):
        waiting = Event(barrier)
        await settle()
    async with barrier.close(deadline_s=1.0):
        await settle()
        assert waiting.models == []
        barrier.change_model(NEW)
    await settle()
    assert waiting.models == [NEW]
    waiting.may_leave.set()
    await waiting.task


async def test_an_error_during_the_change_opens_the_gate_and_a_cancelled_event_leaves_it() -> None:
    barrier = ModelBarrier(OLD)
    event = Event(barrier)
    await settle()
    event.task.cancel()
    await asyncio.gather(event.task, return_exceptions=True)
    with pytest.raises(ZeroDivisionError):
        async with barrier.close(deadline_s=0.0):
            raise ZeroDivisionError
    assert barrier.is_open


async def test_a_model_changes_behind_a_closed_gate_alone() -> None:
    with pytest.raises(AssertionError, match="the next event would enter"):
        ModelBarrier(OLD).change_model(NEW)
