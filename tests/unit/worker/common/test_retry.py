"""Bad luck is tried a few times, an outage is waited out, and one refused event does not pass for an outage."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from pipeline.errors import (
    AccessDenied,
    BrokerUnavailable,
    BucketUnavailable,
    EngineDead,
    ImageDenied,
    ImageMissing,
    ImageTooLarge,
    MessageTooLarge,
    OutageError,
    PersistentRefusal,
    StoreUnavailable,
    ZoomInError,
)
from worker.common.retry import Peers, Probes, Retrier, RetryPolicy

POLICY = RetryPolicy(attempts=3, first_wait_s=1.0, max_wait_s=8.0, patience_s=60.0)
Hook = Callable[[], Awaitable[object]]


class World:
    """A clock that only sleeping moves; `meanwhile` is what others do during each sleep."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []
        self.retried: list[tuple[str, float]] = []
        self.outages: list[str] = []
        self.meanwhile: Hook | None = None

    async def sleep(self, wait_s: float) -> None:
        self.slept.append(wait_s)
        self.now_s += wait_s
        if self.meanwhile:
            await self.meanwhile()

    def note_outage(self, refusal: OutageError | None) -> None:
        self.outages.append("over" if refusal is None else refusal.code)

    def retrier(
        self,
        policy: RetryPolicy = POLICY,
        probe: Hook | None = None,
        *,
        peers: Peers | None = None,
        peers_probe: Hook | None = None,
    ) -> Retrier:
        return Retrier(
            policy,
            clock=lambda: self.now_s,
            sleep=self.sleep,
            rng=random.Random(7),
            on_retry=lambda error, wait_s: self.retried.append((error.code, wait_s)),
            on_outage=self.note_outage,
            probes=Probes(probe, peers_probe),
            peers=peers,
        )


def failing(*errors: Exception, then: str = "done") -> Callable[[], Awaitable[str]]:
    """Build an operation that raises these in turn, then returns."""
    script = list(errors)

    async def operation() -> str:
        if script:
            raise script.pop(0)
        return then

    return operation


def refusing(make: Callable[[], ZoomInError]) -> Callable[[], Awaitable[str]]:
    async def operation() -> str:
        raise make()

    return operation


def down() -> ZoomInError:
    return StoreUnavailable("s3 does not answer")


async def served() -> str:
    return "served"


async def test_bad_luck_is_tried_again() -> None:
    world = World()
    result = await world.retrier().call(failing(ImageMissing("404"), ImageMissing("404")))
    assert result == "done"
    assert [code for code, _ in world.retried] == ["image_missing", "image_missing"]
    assert world.slept == [wait for _, wait in world.retried]
    assert world.outages == []


async def test_bad_luck_ends_with_its_own_error_and_the_number_of_tries() -> None:
    world = World()
    with pytest.raises(ImageMissing) as caught:
        await world.retrier().call(refusing(lambda: ImageMissing("404")))
    assert caught.value.attempts == 3
    assert len(world.slept) == 2


async def test_poison_and_fatal_errors_are_not_tried_again() -> None:
    world = World()
    for error in (ImageTooLarge("huge"), EngineDead("dead")):
        with pytest.raises(type(error)) as caught:
            await world.retrier().call(failing(StoreUnavailable("blink"), error))
        assert caught.value.attempts == 2
    assert len(world.slept) == 2


async def test_unforeseen_exceptions_and_cancellation_pass() -> None:
    world = World()
    for error in (KeyError("bug"), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await world.retrier().call(failing(error))
    assert world.slept == []


async def test_an_outage_is_waited_out_however_long() -> None:
    world = World()
    retrier = world.retrier()
    result = await retrier.call(failing(*[down() for _ in range(500)]))
    assert result == "done"
    assert len(world.slept) == 500
    assert sum(world.slept) > 10 * POLICY.patience_s
    assert world.outages == ["store_unavailable", "over"]
    assert not retrier.in_outage


async def test_outage_is_reported_while_it_lasts() -> None:
    world = World()
    retrier = world.retrier()
    states: list[bool] = []

    async def look() -> None:
        states.append(retrier.in_outage)

    world.meanwhile = look
    await retrier.call(failing(down(), down()))
    assert states == [True, True]


async def test_pauses_double_up_to_the_cap_and_are_jittered() -> None:
    world = World()
    await world.retrier().call(failing(*[down() for _ in range(10)]))
    for failures, wait_s in enumerate(world.slept):
        full_s = min(POLICY.first_wait_s * 2**failures, POLICY.max_wait_s)
        assert full_s / 2 <= wait_s <= full_s
    assert len(set(world.slept)) == 10


async def test_event_refused_while_others_are_served_is_poison_after_patience() -> None:
    world = World()
    retrier = world.retrier()
    world.meanwhile = lambda: retrier.call(served)
    with pytest.raises(PersistentRefusal) as caught:
        await retrier.call(refusing(down))
    assert caught.value.code == "store_unavailable"
    assert caught.value.attempts == len(world.slept) + 1
    assert POLICY.patience_s <= sum(world.slept) <= POLICY.patience_s + POLICY.max_wait_s
    assert not retrier.in_outage


async def test_steady_traffic_during_the_refused_try_itself_does_not_hide_who_was_served_before_it() -> None:
    world = World()
    retrier = world.retrier()
    world.meanwhile = lambda: retrier.call(served)

    async def slow_refusal() -> str:
        world.now_s += 0.1
        await retrier.call(served)
        world.now_s += 0.1
        raise StoreUnavailable("not you")

    with pytest.raises(PersistentRefusal):
        await retrier.call(slow_refusal)


async def test_denied_object_among_served_ones_is_image_denied() -> None:
    world = World()
    retrier = world.retrier()
    world.meanwhile = lambda: retrier.call(served)
    with pytest.raises(ImageDenied):
        await retrier.call(refusing(lambda: AccessDenied("403 on this object")))


async def test_others_served_before_the_first_refusal_prove_nothing() -> None:
    world = World()
    retrier = world.retrier()
    await retrier.call(served)
    world.now_s += 1
    assert await retrier.call(failing(*[down() for _ in range(40)])) == "done"


async def test_dependency_that_comes_back_during_a_try_condemns_nobody() -> None:
    """After a long outage someone else is served first, while this event's last refused try is still under way."""
    world = World()
    retrier = world.retrier()
    tries = 0

    async def operation() -> str:
        nonlocal tries
        tries += 1
        if tries < 40:
            raise down()
        if tries == 40:
            await retrier.call(served)
            world.now_s += 0.5
            raise down()
        return "done"

    assert await retrier.call(operation) == "done"


async def test_probe_stands_for_someone_else_when_nobody_asks() -> None:
    world = World()
    probes = 0

    async def probe() -> None:
        nonlocal probes
        probes += 1

    with pytest.raises(PersistentRefusal):
        await world.retrier(probe=probe).call(refusing(lambda: MessageTooLarge("refused")))
    assert probes > 0
    assert sum(world.slept) >= 2 * POLICY.patience_s - POLICY.max_wait_s
    assert sum(world.slept) <= 2 * (POLICY.patience_s + POLICY.max_wait_s)


async def test_a_store_that_is_listed_before_it_serves_anyone_condemns_nobody() -> None:
    """As one comes up after a long outage: for seconds buckets are found, and every object is refused."""
    world = World()
    up_at_s = world.now_s + 10 * POLICY.patience_s

    async def probe() -> None:
        if world.now_s < up_at_s:
            raise down()

    async def operation() -> str:
        if world.now_s < up_at_s + POLICY.patience_s / 2:
            raise down()
        return "done"

    assert await world.retrier(probe=probe).call(operation) == "done"
    assert world.outages == ["store_unavailable", "over"]


async def test_failing_probe_leaves_it_an_outage() -> None:
    world = World()
    assert await world.retrier(probe=refusing(down)).call(failing(*[down() for _ in range(100)])) == "done"


async def test_infinite_patience_never_condemns() -> None:
    world = World()
    retrier = world.retrier(RetryPolicy(attempts=1, first_wait_s=1, max_wait_s=8, patience_s=float("inf")))
    world.meanwhile = lambda: retrier.call(served)
    assert await retrier.call(failing(*[down() for _ in range(500)])) == "done"


async def test_an_answer_of_any_kind_ends_the_streak_of_refusals() -> None:
    """A 404 is an answer: the store serves this event too, so its refusals are counted anew."""
    world = World()
    retrier = world.retrier()
    world.meanwhile = lambda: retrier.call(served)
    script = [down() for _ in range(9)] + [ImageMissing("404")] + [down() for _ in range(9)]
    assert await retrier.call(failing(*script)) == "done"


async def test_a_topic_that_refuses_verdicts_costs_no_event_whatever_else_it_serves() -> None:
    """A right that is withdrawn later, while a probe of the topic's state is content: nobody is to blame."""
    world = World()

    async def probe() -> None:
        return

    retrier = world.retrier(probe=probe)
    await retrier.call(served)
    world.meanwhile = lambda: retrier.call(served)
    assert await retrier.call(failing(*[BrokerUnavailable("not authorized") for _ in range(500)])) == "done"


class Buckets:
    """Two buckets of one S3; `meanwhile` events of the healthy one are served."""

    def __init__(self, world: World, probe: Hook | None = None) -> None:
        self.peers = Peers()
        self.denied = world.retrier(peers=self.peers, probe=refusing(lambda: AccessDenied("403")), peers_probe=probe)
        self.healthy = world.retrier(peers=self.peers)


def deny() -> ZoomInError:
    return AccessDenied("403 on every object")


async def test_a_bucket_that_refuses_all_while_another_serves_costs_its_own_events_after_patience() -> None:
    world = World()
    buckets = Buckets(world)
    world.meanwhile = lambda: buckets.healthy.call(served)
    with pytest.raises(BucketUnavailable):
        await buckets.denied.call(refusing(deny))
    assert POLICY.patience_s <= sum(world.slept) <= POLICY.patience_s + POLICY.max_wait_s
    assert world.outages == ["access_denied"], "the bucket still refuses everyone"


async def test_the_next_events_of_such_a_bucket_do_not_wait_as_long_again() -> None:
    world = World()
    buckets = Buckets(world)
    world.meanwhile = lambda: buckets.healthy.call(served)
    for _ in range(2):
        world.slept.clear()
        with pytest.raises(BucketUnavailable):
            await buckets.denied.call(refusing(deny))
    assert len(world.slept) == 1


async def test_a_bucket_that_serves_again_has_patience_again() -> None:
    world = World()
    buckets = Buckets(world)
    world.meanwhile = lambda: buckets.healthy.call(served)
    with pytest.raises(BucketUnavailable):
        await buckets.denied.call(refusing(deny))
    assert await buckets.denied.call(served) == "served"
    assert world.outages == ["access_denied", "over"]
    assert await buckets.denied.call(failing(deny(), deny(), deny())) == "done"


async def test_when_all_peers_refuse_it_is_an_outage_of_them_all() -> None:
    world = World()
    buckets = Buckets(world, probe=refusing(down))
    assert await buckets.denied.call(failing(*[deny() for _ in range(200)])) == "done"


async def test_a_bucket_given_up_earlier_is_waited_for_when_all_peers_refuse() -> None:
    world = World()
    buckets = Buckets(world, probe=refusing(down))
    world.meanwhile = lambda: buckets.healthy.call(served)
    with pytest.raises(BucketUnavailable):
        await buckets.denied.call(refusing(deny))
    world.meanwhile = None
    world.now_s += 1
    assert await buckets.denied.call(failing(*[down() for _ in range(200)])) == "done"


async def test_a_probe_of_the_peers_stands_for_their_events_when_all_slots_wait_for_one_bucket() -> None:
    world = World()

    async def probe() -> None:
        return

    with pytest.raises(BucketUnavailable):
        await Buckets(world, probe=probe).denied.call(refusing(deny))
    assert sum(world.slept) <= 2 * (POLICY.patience_s + POLICY.max_wait_s)


async def test_an_object_that_its_own_bucket_alone_refuses_is_denied_whatever_peers_do() -> None:
    world = World()
    buckets = Buckets(world)
    world.meanwhile = lambda: buckets.denied.call(served)
    with pytest.raises(ImageDenied):
        await buckets.denied.call(refusing(deny))


async def test_a_bucket_that_comes_back_slowly_condemns_no_event_that_waited() -> None:
    """It serves one event late in the other's patience; only a whole patience of such service would tell them apart."""
    world = World()
    buckets = Buckets(world)
    began_s = world.now_s

    async def meanwhile() -> None:
        await buckets.healthy.call(served)
        if world.now_s > began_s + POLICY.patience_s - 2 * POLICY.max_wait_s:
            await buckets.denied.call(served)

    async def operation() -> str:
        if world.now_s < began_s + POLICY.patience_s + POLICY.max_wait_s:
            raise deny()
        return "done"

    world.meanwhile = meanwhile
    assert await buckets.denied.call(operation) == "done"


async def test_a_denied_object_of_a_bucket_that_nobody_else_uses_is_denied_alone() -> None:
    """Only a probe of its own bucket shows that this object is refused and not the bucket."""
    world = World()
    peers = Peers()
    healthy, idle = world.retrier(peers=peers), world.retrier(probe=served, peers=peers)
    world.meanwhile = lambda: healthy.call(served)
    with pytest.raises(ImageDenied):
        await idle.call(refusing(deny))
    assert world.outages == ["access_denied", "over"]
