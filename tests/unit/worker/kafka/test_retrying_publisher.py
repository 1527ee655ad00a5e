import asyncio
import math
import random

import pytest

from pipeline.errors import BrokerUnavailable, ImageMissing, InternalFault, MessageTooLarge
from tests.support.builders import build_record
from tests.support.fakes_kafka import FakeBroker, FakePublisher
from tests.support.verdicts import build_verdict
from worker.common.retry import Retrier, RetryPolicy
from worker.kafka.retrying_publisher import RetryingPublisher


def build_retrier(patience_s: float) -> Retrier:
    policy = RetryPolicy(attempts=3, first_wait_s=0, max_wait_s=0, patience_s=patience_s)
    return Retrier(policy, clock=lambda: 0.0, sleep=asyncio.sleep, rng=random.Random(0))


def wrap(publisher: FakePublisher) -> RetryingPublisher:
    return RetryingPublisher(publisher, verdict_retrier=build_retrier(60), letter_retrier=build_retrier(math.inf))


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


async def test_a_verdict_waits_out_an_outage_and_is_acknowledged_once(broker: FakeBroker) -> None:
    publisher, acknowledged = broker.build_publisher(), []
    publisher.errors = [BrokerUnavailable("away")] * 20
    await wrap(publisher).publish_verdict(
        build_verdict(), build_record({}), traceparent=None, acknowledged=lambda: acknowledged.append(True)
    )
    assert len(broker.verdicts) == len(acknowledged) == 1


async def test_a_dead_letter_waits_out_an_outage_and_is_acknowledged_once(broker: FakeBroker) -> None:
    publisher, acknowledged = broker.build_publisher(), []
    publisher.errors = [BrokerUnavailable("away")] * 20
    await wrap(publisher).publish_dead_letter(
        build_record({}),
        ImageMissing("gone"),
        event_id="event-1",
        traceparent=None,
        acknowledged=lambda: acknowledged.append(True),
    )
    assert len(broker.dead_letters) == len(acknowledged) == 1


async def test_a_verdict_too_large_for_its_topic_waits_until_the_topic_takes_it(broker: FakeBroker) -> None:
    publisher = broker.build_publisher()
    publisher.errors = [MessageTooLarge("the topic takes nothing of this size")] * 20
    await wrap(publisher).publish_verdict(
        build_verdict(), build_record({}), traceparent=None, acknowledged=lambda: None
    )
    assert len(broker.verdicts) == 1


async def test_a_fault_of_ours_is_not_tried_again(broker: FakeBroker) -> None:
    publisher = broker.build_publisher()
    publisher.errors = [InternalFault("a bug"), InternalFault("again")]
    with pytest.raises(InternalFault, match="a bug"):
        await wrap(publisher).publish_verdict(
            build_verdict(), build_record({}), traceparent=None, acknowledged=lambda: None
        )
    assert not broker.verdicts
