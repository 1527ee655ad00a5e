"""One round: services of its own, workers, events, faults, and the verification of what is left in the topics."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kafka import KafkaConsumer, TopicPartition

from tests.chaos import full_engine, topics
from tests.chaos.denials import start_broker
from tests.chaos.faults import Services, carry_out
from tests.chaos.pool import Pool
from tests.chaos.progress import reaches
from tests.chaos.schedule import KILLS, SESSION_TIMEOUT_S, Fault, duration_s, schedule
from tests.chaos.sender import Sender, planned
from tests.chaos.verification import Answer, Verification, merge, verify
from tests.support.processes.worker_process import STANDIN
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site
from worker.local.kafka import KafkaBroker
from worker.local.s3 import SeaweedFs
from worker.local.stack import CACHE

WORKERS = 3
PARTITIONS = 6
SILENCE_LIMIT_S = 60.0
"""the longest outage is some ten seconds, and the slowest machine starts its broker in as much again"""
ANSWERED_WITHIN_S = 120.0
"""without any further answer, after the last fault"""
ENGINE = ("--delay-s", "0.1", "--failure-fraction", "0.02")
SETTINGS = {
    "ZOOMIN_KAFKA__SESSION_TIMEOUT_S": f"{SESSION_TIMEOUT_S:g}",
    "ZOOMIN_FLOW__MAX_IN_FLIGHT": "8",
    "ZOOMIN_FLOW__MAX_SPAN": "100",
    "ZOOMIN_RETRY__ATTEMPTS": "5",  # of 0.02 each: no healthy event has that much bad luck
    "ZOOMIN_RETRY__MAX_WAIT_S": "2",
}

ODD_ONE_IN = 10
"""events with an odd timestamp"""

Say = Callable[[str], None]
Delivery = Literal["at_least_once", "exactly_once"]


@dataclass(frozen=True, slots=True)
class Report:
    """`verification` is of what a reader of committed records gets; `repeats` are those that any other reader gets."""

    seed: int
    delivery: Delivery
    verification: Verification
    repeats: int
    faults: Counter[str]
    ended_badly: Sequence[str]
    seconds: float

    @property
    def broken(self) -> list[str]:
        may_repeat = self.delivery == "at_least_once"
        return [*self.verification.broken(silence_limit_s=SILENCE_LIMIT_S, may_repeat=may_repeat), *self.ended_badly]

    def to_json(self) -> dict[str, object]:
        """build/chaos.json; the names are a contract."""
        found = self.verification
        return {
            "seed": self.seed,
            "delivery": self.delivery,
            "sent": found.sent,
            "verdicts": found.verdicts,
            "dead_letters": found.dead_letters,
            "lost": len(found.lost),
            "repeats": self.repeats,
            "unequal_repeats": len(found.unequal_repeats),
            "wrong_answers": len(found.wrong_answers),
            "offsets_beyond_unanswered": found.offsets_beyond_unanswered,
            "uncommitted": found.uncommitted,
            "read_committed_repeats": found.repeats,
            "kills": sum(self.faults[kind] for kind in set(KILLS)),
            "faults": dict(self.faults),
            "workers_ended_badly": len(self.ended_badly),
            "longest_silence_s": {str(p): round(s, 1) for p, s in found.longest_silence_s.items()},
            "seconds": round(self.seconds, 1),
        }


def run(directory: Path, *, seed: int, events: int, kills: int, delivery: Delivery, say: Say) -> Report:
    began = time.monotonic()

    def say_when(sentence: str) -> None:
        say(f"{time.monotonic() - began:5.0f} s  {sentence}")

    faults = schedule(seed, kills=kills, events=events, workers=WORKERS)
    with _services(directory) as (broker, s3):
        store = S3ForTests(s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key)
        services = _site(broker, s3, store, directory / "workers", delivery)
        site = services.site
        with _pool(site, seed) as pool, closing(_sender(services, events, seed, over_s=duration_s(faults))) as sender:
            say(f"Seed {seed}: {events} events and {len(faults)} faults in about {duration_s(faults):.0f} s")
            sender.start()
            for number, fault in enumerate(faults, 1):
                time.sleep(fault.rest_s)
                say_when(f"fault {number} of {len(faults)}: {fault.kind}")
                carry_out(fault, pool, services)
                pool.look()
            sent = sender.sent()
            _wait_for_the_end(site, events)
            pool.look()
            pool.stop_all()
        commits = topics.commits(site.kafka, site.environment["ZOOMIN_KAFKA__GROUP_ID"], site.images)
        verification = verify(sent, topics.answers(site), commits)
        repeats = _repeats(topics.answers(site, isolation_level="read_uncommitted"))
        say_when(f"the engine dies with {full_engine.IN_FLIGHT} events in flight")
        full = full_engine.run(site.kafka, store, directory / "full-engine", delivery=delivery, seed=seed)
    kinds = _counted(faults) + Counter(odd_timestamps=-(-events // ODD_ONE_IN), full_engine_died=1)
    took_s = time.monotonic() - began
    return Report(seed, delivery, merge(verification, full), repeats, kinds, pool.ended_badly, took_s)


def _site(broker: KafkaBroker, s3: SeaweedFs, store: S3ForTests, directory: Path, delivery: Delivery) -> Services:
    """Every case is labeled, so that each event's timestamp is used in all places."""
    labels, second_bucket = store.create_labeling_bucket(), store.create_bucket("second")
    settings = SETTINGS | {
        "ZOOMIN_KAFKA__DELIVERY": delivery,
        "ZOOMIN_SAMPLING__BUCKET": labels,
        "ZOOMIN_SAMPLING__CONTROL_FRACTION": "1",
    }
    site = Site(KafkaForTests(broker), store, directory, partitions=PARTITIONS, settings=settings)
    site.settings["ZOOMIN_STORE__BUCKETS"] = f"{site.bucket},{second_bucket}"
    return Services(broker, s3, site, second_bucket)


def _sender(services: Services, events: int, seed: int, *, over_s: float) -> Sender:
    sent = planned(services.site, events, seed, second_bucket=services.second_bucket)
    return Sender(services.site, sent, over_s=over_s, odd_one_in=ODD_ONE_IN)


@contextmanager
def _services(directory: Path) -> Iterator[tuple[KafkaBroker, SeaweedFs]]:
    broker = KafkaBroker(directory / "kafka", cache=CACHE, notify=print)
    s3 = SeaweedFs(directory / "s3")
    try:
        s3.launch()
        start_broker(broker)
        s3.wait_until_ready()
        yield broker, s3
    finally:
        broker.stop()
        s3.stop()


@contextmanager
def _pool(site: Site, seed: int) -> Iterator[Pool]:
    pool = Pool(lambda: site.build_worker(*STANDIN, *ENGINE, "--seed", str(seed)), size=WORKERS)
    try:
        yield pool
    finally:
        pool.end()


def _wait_for_the_end(site: Site, events: int) -> None:
    """Until every input record is answered and committed, or nothing moves; verification then names what is missing.

    Whoever stops while its group changes hands cannot commit, and its successor would have to.
    """
    reaches(
        lambda: (_answered(site, events), sum(site.read_committed_offsets().values())),
        (events, events),
        silence_s=ANSWERED_WITHIN_S,
    )


def _answered(site: Site, events: int) -> int:
    """Input records with an answer; where the outputs hold too few, how many these are, which is soon told."""
    written = _ends(site)
    return written if written < events else len({answer.place for answer in topics.answers(site)})


def _repeats(answers: Sequence[Answer]) -> int:
    return len(answers) - len({answer.place for answer in answers})


def _ends(site: Site) -> int:
    """Records in both output topics, repeats among them."""
    with closing(KafkaConsumer(bootstrap_servers=site.kafka.bootstrap_servers)) as consumer:
        outputs = (site.verdict_topic, site.dead_letter_topic)
        places = [TopicPartition(topic, p) for topic in outputs for p in consumer.partitions_for_topic(topic)]
        return sum(consumer.end_offsets(places).values())


def _counted(faults: Sequence[Fault]) -> Counter[str]:
    return Counter(fault.kind.value for fault in faults)
