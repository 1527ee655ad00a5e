"""The faults on the real processes: each begins, lasts, and is undone."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.chaos.denials import reading_denied, start_broker, writing_denied
from tests.chaos.pool import Pool
from tests.chaos.schedule import SWAPS, Fault, Kind
from tests.chaos.swap_faults import Registry, swap_under_way
from tests.support.site import Site
from worker.local.kafka import KafkaBroker
from worker.local.s3 import SeaweedFs

MOMENT_S = 0.02


@dataclass(frozen=True, slots=True)
class Services:
    """What a course breaks besides workers; `site` lies on broker and s3, with its images in both buckets.

    `registry`: in a course with swaps.
    """

    broker: KafkaBroker
    s3: SeaweedFs
    site: Site
    second_bucket: str
    registry: Registry | None = None


def carry_out(fault: Fault, pool: Pool, services: Services) -> None:
    if fault.kind in SWAPS:
        assert services.registry is not None, "the schedule has faults of the model in a course with swaps alone"
        under_way = swap_under_way(fault, pool, services.registry)
    else:
        under_way = _under_way(fault, pool, services)
    with under_way:
        time.sleep(fault.lasts_s)


@contextmanager
def _under_way(fault: Fault, pool: Pool, services: Services) -> Iterator[None]:
    victim, broker, s3 = fault.victim, services.broker, services.s3
    match fault.kind:
        case Kind.WORKER_KILLED:
            pool.kill(victim)
            yield
            pool.replace(victim)
        case Kind.WORKER_STOPPED:
            pool.stop(victim)
            yield
            pool.replace(victim)
        case Kind.WORKER_FROZEN:
            pool.members[victim].signal(signal.SIGSTOP)
            yield
            pool.members[victim].signal(signal.SIGCONT)
        case Kind.MEMBER_JOINS:
            pool.join()
            yield
            pool.leave()
        case Kind.BROKER_KILLED:
            broker.kill()
            yield
            start_broker(broker)
        case Kind.BROKER_FROZEN:
            broker.server.freeze()
            yield
            broker.server.thaw()
        case Kind.S3_STOPPED:
            s3.stop()
            yield
            s3.start()
        case Kind.S3_FROZEN:
            s3.server.freeze()
            yield
            s3.server.thaw()
        case Kind.S3_SLOWED:
            with _slowed(s3):
                yield
        case Kind.VERDICTS_DENIED:
            with writing_denied(broker, services.site.verdict_topic):
                yield
        case Kind.IMAGES_DENIED:
            with reading_denied(s3, services.site.bucket, served=[services.second_bucket]):
                yield


@contextmanager
def _slowed(s3: SeaweedFs) -> Iterator[None]:
    """Bytes trickle: it runs for a moment, then sleeps for nine."""
    over = threading.Event()

    def stutter() -> None:
        while not over.wait(MOMENT_S):
            s3.server.freeze()
            over.wait(9 * MOMENT_S)
            s3.server.thaw()

    stuttering = threading.Thread(target=stutter, name="s3-slowed", daemon=True)
    stuttering.start()
    yield
    over.set()
    stuttering.join()
