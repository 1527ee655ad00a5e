import json
import threading
from collections.abc import Callable

import pytest

from pipeline.errors import AccessDenied
from tests.support.memory_s3 import MemoryS3
from training.common.lease import LEASE_S, LOOK_S, Lease, LeasePlace, hold_lease
from training.errors import LeaseHeld

KEY = "marks/labels-push-lease.json"


def build_place(s3: MemoryS3) -> LeasePlace:
    return LeasePlace(s3.client, "labels", KEY, "labels push")


class Machine:
    """A machine with a clock of its own; `while_it_sleeps` is what happens elsewhere meanwhile."""

    def __init__(self, s3: MemoryS3, while_it_sleeps: Callable[[], None] = lambda: None) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self._while_it_sleeps = while_it_sleeps
        self.lease = Lease(build_place(s3), lambda: self.now)

    def take(self) -> None:
        self.lease.take(self.said.append, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self._while_it_sleeps()


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


def test_a_released_lease_is_taken_at_once(s3: MemoryS3) -> None:
    first, second = Machine(s3), Machine(s3)
    first.take()
    first.lease.check()
    first.lease.release()
    second.take()
    assert (second.now, second.said) == (0.0, [])
    first.now = 1.0
    first.lease.renew()
    with pytest.raises(LeaseHeld, match="another process took over labels push"):
        first.lease.check()


def test_who_gives_signs_of_life_keeps_it(s3: MemoryS3) -> None:
    first = Machine(s3)
    first.take()
    second = Machine(s3, while_it_sleeps=first.lease.renew)
    with pytest.raises(LeaseHeld, match=r"labels push is running on .*; run the same command again"):
        second.take()
    assert len(second.said) == 1
    first.lease.check()


def test_a_killed_holder_blocks_nobody_for_long(s3: MemoryS3) -> None:
    killed, second = Machine(s3), Machine(s3)
    killed.take()
    second.take()
    assert LEASE_S <= second.now <= LEASE_S + LOOK_S
    second.lease.check()
    killed.lease.renew()
    with pytest.raises(LeaseHeld):
        killed.lease.check()


def test_of_two_that_take_it_over_one_wins(s3: MemoryS3) -> None:
    Machine(s3).take()
    rivals: list[Machine] = []

    def let_the_rival_win() -> None:
        if rivals[0].now >= LEASE_S and len(rivals) == 1:
            rivals.append(Machine(s3))
            s3.objects[KEY] = b'{"holder": "rival", "host": "elsewhere", "beat": 1}'

    rivals.append(Machine(s3, let_the_rival_win))
    with pytest.raises(LeaseHeld, match="running on elsewhere"):
        rivals[0].take()


def test_a_lease_runs_out_while_s3_is_away(s3: MemoryS3) -> None:
    machine = Machine(s3)
    machine.take()
    s3.refuse_writes = ("marks/",)
    machine.now = LEASE_S / 2
    machine.lease.renew()
    machine.lease.check()
    machine.now = LEASE_S
    with pytest.raises(LeaseHeld):
        machine.lease.check()
    s3.refuse_writes = ()
    machine.lease.renew()
    machine.lease.check()


def test_an_unreadable_lease_is_taken(s3: MemoryS3) -> None:
    s3.objects[KEY] = b"nonsense"
    Machine(s3).take()
    assert json.loads(s3.objects[KEY])["released"] is False


def test_a_bucket_that_refuses_writes_is_told(s3: MemoryS3) -> None:
    s3.refuse_writes = ("marks/",)
    with pytest.raises(AccessDenied):
        Machine(s3).take()


def test_it_is_held_for_a_block_and_released_behind_it(s3: MemoryS3) -> None:
    with hold_lease(build_place(s3), notify=print) as lease:
        lease.check()
        assert [thread for thread in threading.enumerate() if thread.name == "lease of labels push"]
    assert json.loads(s3.objects[KEY])["released"] is True
    assert not [thread for thread in threading.enumerate() if thread.name == "lease of labels push"]
