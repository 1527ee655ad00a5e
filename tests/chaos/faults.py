"""The faults on the real processes: each begins, lasts, and is undone."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.pool import Pool
from tests.chaos.schedule import Fault, Kind
from worker.local.kafka import KafkaBroker
from worker.local.s3 import SeaweedFs

MOMENT_S = 0.02


def carry_out(fault: Fault, pool: Pool, broker: KafkaBroker, s3: SeaweedFs) -> None:
    with _under_way(fault, pool, broker, s3):
        time.sleep(fault.lasts_s)


@contextmanager
def _under_way(fault: Fault, pool: Pool, broker: KafkaBroker, s3: SeaweedFs) -> Iterator[None]:
    victim = fault.victim
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
            broker.start()
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
