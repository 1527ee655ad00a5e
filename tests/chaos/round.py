"""One round: services of its own, workers, events, faults, and the verification of what is left in the topics."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from tests.chaos import full_engine, topics
from tests.chaos.denials import start_broker
from tests.chaos.faults import Services, carry_out
from tests.chaos.pool import Pool
from tests.chaos.progress import reaches
from tests.chaos.report import Delivery, Report, count_model_changes
from tests.chaos.schedule import SESSION_TIMEOUT_S, Fault, duration_s, schedule
from tests.chaos.sender import Sender, planned
from tests.chaos.swap_faults import find_laggards, open_registry
from tests.chaos.verification import Answer, merge, verify
from tests.support.processes.worker_process import STANDIN
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site
from worker.local.kafka import KafkaBroker
from worker.local.s3 import SeaweedFs
from worker.local.stack import CACHE

WORKERS = 3
PARTITIONS = 6
ANSWERED_WITHIN_S = 120.0
"""without any further answer, after the last fault"""
ENGINE = ("--delay-s", "0.1", "--failure-fraction", "0.02")
SWAPPED_ENGINE = ("--delay-s", "0.1", "--start-s", "0.5")
"""no failure by chance: a smoke question that gets no answer refuses a good revision"""
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


@dataclass(frozen=True, slots=True)
class Course:
    """What happens in a round; `swaps`: the workers follow a registry, whose faults take the place of others."""

    seed: int
    events: int
    kills: int
    delivery: Delivery
    swaps: bool = False

    def schedule(self) -> list[Fault]:
        return schedule(self.seed, kills=self.kills, events=self.events, workers=WORKERS, swaps=self.swaps)


def run(directory: Path, course: Course, *, say: Say) -> Report:
    began = time.monotonic()

    def say_when(sentence: str) -> None:
        say(f"{time.monotonic() - began:5.0f} s  {sentence}")

    faults = course.schedule()
    with _services(directory) as (broker, s3):
        store = S3ForTests(s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key)
        with _site(broker, s3, store, directory / "workers", course) as services:
            site, over_s = services.site, duration_s(faults)
            with _pool(site, course) as pool, closing(_sender(services, course, over_s=over_s)) as sender:
                say(f"Seed {course.seed}: {course.events} events and {len(faults)} faults in about {over_s:.0f} s")
                sender.start()
                for number, fault in enumerate(faults, 1):
                    time.sleep(fault.rest_s)
                    say_when(f"fault {number} of {len(faults)}: {fault.kind}")
                    carry_out(fault, pool, services)
                    pool.look()
                sent = sender.sent()
                _wait_for_the_end(site, course.events)
                pool.look()
                models = count_model_changes(pool.read_logs(), find_laggards(pool, services.registry))
                pool.stop_all()
        commits = topics.commits(site.kafka, site.environment["ZOOMIN_KAFKA__GROUP_ID"], site.images)
        verification = verify(sent, topics.answers(site), commits)
        repeats = _repeats(topics.answers(site, isolation_level="read_uncommitted"))
        say_when(f"the engine dies with {full_engine.IN_FLIGHT} events in flight")
        full = full_engine.run(site.kafka, store, directory / "full-engine", delivery=course.delivery, seed=course.seed)
    kinds = _counted(faults) + Counter(odd_timestamps=-(-course.events // ODD_ONE_IN), full_engine_died=1)
    took_s = time.monotonic() - began
    verification = merge(verification, full)
    return Report(course.seed, course.delivery, verification, repeats, kinds, pool.ended_badly, took_s, models)


@contextmanager
def _site(broker: KafkaBroker, s3: SeaweedFs, store: S3ForTests, directory: Path, course: Course) -> Iterator[Services]:
    """Label every case, so that each event's timestamp is used in all places."""
    labels, second_bucket = store.create_labeling_bucket(), store.create_bucket("second")
    settings = SETTINGS | {
        "ZOOMIN_KAFKA__DELIVERY": course.delivery,
        "ZOOMIN_SAMPLING__BUCKET": labels,
        "ZOOMIN_SAMPLING__CONTROL_FRACTION": "1",
    }
    site = Site(KafkaForTests(broker), store, directory, partitions=PARTITIONS, settings=settings)
    site.settings["ZOOMIN_STORE__BUCKETS"] = f"{site.bucket},{second_bucket}"
    if not course.swaps:
        yield Services(broker, s3, site, second_bucket)
        return
    with open_registry(store, directory / "models", seed=course.seed) as registry:
        site.settings |= registry.settings
        yield Services(broker, s3, site, second_bucket, registry)


def _sender(services: Services, course: Course, *, over_s: float) -> Sender:
    sent = planned(services.site, course.events, course.seed, second_bucket=services.second_bucket)
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
def _pool(site: Site, course: Course) -> Iterator[Pool]:
    engine = SWAPPED_ENGINE if course.swaps else ENGINE
    pool = Pool(lambda: site.build_worker(*STANDIN, *engine, "--seed", str(course.seed)), size=WORKERS)
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
