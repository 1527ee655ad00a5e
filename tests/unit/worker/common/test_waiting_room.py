import asyncio

import pytest

from worker.common.waiting_room import WaitingRoom


async def test_those_who_wait_have_places_as_long_as_there_are_any() -> None:
    room = WaitingRoom(places=2)
    waiting = []
    for occupied in (1, 2, 2):
        waiting.append(asyncio.create_task(room.sleep(60)))
        await asyncio.sleep(0)
        assert room.occupied == occupied
    for left, task in zip((2, 1, 0), waiting, strict=True):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert room.occupied == left


async def test_whoever_waits_for_a_thread_has_a_place_too() -> None:
    room = WaitingRoom(places=1)
    with room.leave_slot():
        assert room.occupied == 1
    assert room.occupied == 0


async def test_a_place_is_free_when_the_wait_is_over() -> None:
    room = WaitingRoom(places=1)
    await room.sleep(0)
    assert room.occupied == 0
