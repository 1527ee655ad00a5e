"""The real engine on a course of faults: its core killed, then stuck, then the whole worker killed, then no memory.

One course, in order, because each start of the engine takes a minute: a test goes on where the one before it stopped.
"""

import re
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import psutil
import pytest

from tests.chaos import topics
from tests.chaos.progress import wait_until_answered
from tests.chaos.schedule import SESSION_TIMEOUT_S
from tests.chaos.sender import Sender, planned
from tests.chaos.verification import Answer, Place, Sent, Verification, is_same_verdict, verify
from tests.support.processes.worker_process import REAL, WorkerProcess
from tests.support.servers.services import KafkaForTests, S3ForTests, eventually
from tests.support.site import Site

pytestmark = [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"), pytest.mark.timeout(1200)]
BATCHES, BATCH = 8, 12
UNDER_WAY = 4
"""answers of a batch after which the fault comes: the engine then works on the others"""
ANSWERED_WITHIN_S = 400.0
RESTARTS = 2
SLOTS = 8
SETTINGS = {
    "ZOOMIN_ENGINE__QUERY_TIMEOUT_S": "20",
    "ZOOMIN_ENGINE__RESTARTS": str(RESTARTS),
    "ZOOMIN_FLOW__MAX_IN_FLIGHT": str(SLOTS),
    "ZOOMIN_KAFKA__SESSION_TIMEOUT_S": f"{SESSION_TIMEOUT_S:g}",
    "ZOOMIN_KAFKA__COMMIT_INTERVAL_S": "30",  # a killed worker leaves answers behind that are not committed
}


@dataclass
class Course:
    site: Site
    sent: list[Sent] = field(default_factory=list)
    taken_over: set[Place] = field(default_factory=set)

    def __post_init__(self) -> None:
        events = planned(self.site, BATCHES * BATCH, seed=1)
        self._batches = iter([events[at : at + BATCH] for at in range(0, len(events), BATCH)])

    def send(self) -> None:
        with closing(Sender(self.site, next(self._batches), over_s=0.1)) as sender:
            self.sent += sender.start().sent()

    def send_until_under_way(self) -> None:
        """Returns when some of the batch is answered."""
        before = len(self.answers())
        self.send()
        assert eventually(lambda: len(self.answers()) >= before + UNDER_WAY, within_s=ANSWERED_WITHIN_S)

    def stop_at_work(self, worker: WorkerProcess) -> psutil.Process:
        """The engine's core, stopped; a batch that comes afterwards holds every slot, however far it had come."""
        self.send_until_under_way()
        core = core_of(worker)
        core.suspend()
        self.send()
        assert eventually(lambda: metric(worker, "zoomin_in_flight") == SLOTS, within_s=ANSWERED_WITHIN_S)
        return core

    def answers(self) -> list[Answer]:
        return topics.answers(self.site)

    def uncommitted(self) -> set[Place]:
        """What was answered and will be answered again by whoever takes over."""
        committed = self.site.read_committed_offsets()
        return {answer.place for answer in self.answers() if answer.place[1] >= committed.get(answer.place[0], 0)}

    def repeated(self) -> set[Place]:
        return {place for place, times in Counter(answer.place for answer in self.answers()).items() if times > 1}

    def wait_until_answered(self) -> None:
        wait_until_answered(self.site, self.sent, silence_s=ANSWERED_WITHIN_S)

    def judged(self) -> Verification:
        group = self.site.environment["ZOOMIN_KAFKA__GROUP_ID"]
        commits = topics.commits(self.site.kafka, group, self.site.images)
        return verify(self.sent, self.answers(), commits, alike=is_same_verdict)


@pytest.fixture(scope="module")
def course(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(Site(kafka, seaweedfs, tmp_path_factory.mktemp("real-engine"), settings=dict(SETTINGS)))


@pytest.fixture(scope="module")
def first(course: Course) -> Iterator[WorkerProcess]:
    with course.site.build_worker(*REAL) as worker:
        yield worker.wait_until_started()


@pytest.fixture(scope="module")
def second(course: Course, first: WorkerProcess) -> Iterator[WorkerProcess]:
    """Takes over from the first, which is killed with events in flight; its engine may not die at all."""
    course.site.settings["ZOOMIN_ENGINE__RESTARTS"] = "0"
    course.send_until_under_way()
    core = core_of(first)
    first.signal(signal.SIGSTOP)
    if not course.uncommitted():  # it committed a moment ago, and will not again for long
        first.signal(signal.SIGCONT)
        course.send_until_under_way()
    first.signal(signal.SIGKILL)
    first.wait_until_ended()
    course.taken_over = course.uncommitted()
    assert eventually(lambda: is_gone(core), within_s=30), "the core outlives its worker"
    with course.site.build_worker(*REAL) as worker:
        yield worker.wait_until_started()


def core_of(worker: WorkerProcess) -> psutil.Process:
    (core,) = [
        process
        for process in psutil.Process(worker.pid).children(recursive=True)
        if not is_gone(process) and "".join(process.cmdline()[:1]).startswith("VLLM::EngineCore")
    ]
    return core


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def metric(worker: WorkerProcess, name: str) -> float:
    (found,) = re.findall(rf"^{name} (\S+)$", worker.get("/metrics"), re.MULTILINE)
    return float(found)


def restarts(worker: WorkerProcess) -> float:
    return metric(worker, "zoomin_engine_restarts_total")


def test_a_killed_core_is_replaced_and_what_was_in_flight_asked_again(course: Course, first: WorkerProcess) -> None:
    course.stop_at_work(first).kill()
    course.wait_until_answered()
    assert restarts(first) == 1
    assert course.judged().wrong_answers == (), "no healthy event is dead-lettered"


def test_a_stuck_core_is_noticed_killed_and_replaced(course: Course, first: WorkerProcess) -> None:
    core = course.stop_at_work(first)
    course.wait_until_answered()
    assert restarts(first) == 2
    assert is_gone(core)
    assert "ok" in first.get("/livez")
    assert course.judged().wrong_answers == ()


def test_after_a_killed_worker_the_next_gives_the_same_judgements(course: Course, second: WorkerProcess) -> None:
    assert course.taken_over, "nothing is judged twice, so this shows nothing"
    course.wait_until_answered()
    assert eventually(lambda: course.repeated() >= course.taken_over, within_s=ANSWERED_WITHIN_S)
    verification = course.judged()
    assert (verification.lost, verification.unequal_repeats, verification.wrong_answers) == ((), (), ())
    assert (verification.unknown, verification.offsets_beyond_unanswered) == (0, 0)


def test_a_core_without_memory_and_without_budget_ends_the_worker_and_nothing_is_committed_past_it(
    course: Course, second: WorkerProcess
) -> None:
    core = course.stop_at_work(second)
    # Not a byte more than it has: allocations fail from now on. (The kernel's OOM killer would send SIGKILL, as above.)
    # The core may die of it, or lose a thread and hang without a word: then the query's time limit finds out.
    resource.prlimit(core.pid, resource.RLIMIT_AS, (core.memory_info().vms, core.memory_info().vms))
    core.resume()
    assert second.wait_until_ended(120) == 1
    (died,) = [line for line in second.read_log() if line["event"] == "engine_died"]
    assert died["allowed"] == 0
    verification = course.judged()
    assert verification.lost, "the engine died too late to show anything"
    assert (verification.offsets_beyond_unanswered, verification.wrong_answers) == (0, ())
