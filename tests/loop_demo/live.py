"""The running part of a loop: traffic, a worker that answers it, and the verdicts as they come."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from pipeline.errors import FatalError
from pipeline.wire.messages import VerdictEvent
from tests.loop_demo import measurement
from tests.loop_demo.measurement import JudgedEvent
from tests.loop_demo.phases import Notify
from tests.loop_demo.plan import LoopDemoPlan
from tests.loop_demo.site import LoopSite
from tests.loop_demo.traffic import Kind, SentEvent, Traffic
from tests.loop_demo.verdict_log import VerdictLog
from tests.support.processes.worker_process import WorkerProcess

POLL_S = 0.5
PROGRESS_S = 20.0
SLOWEST = 10.0
"""of a rate: on a busy machine a worker answers so much later than events are sent"""
LEAST_WAIT_S = 600.0
LATEST = 80
"""events that the accuracy of a progress line is the mean of"""


@dataclass
class LiveLoop:
    """Everything that runs while phases go on. `wait_until` watches all of it."""

    plan: LoopDemoPlan
    site: LoopSite
    traffic: Traffic
    worker: WorkerProcess
    log: VerdictLog
    notify: Notify
    _announced_at: float = field(default=0.0, init=False)

    @property
    def sent(self) -> Sequence[SentEvent]:
        return self.traffic.sent

    def read_verdicts(self) -> Sequence[VerdictEvent]:
        return self.log.read()

    def join(self) -> list[JudgedEvent]:
        return measurement.join(self.sent, self.read_verdicts())

    def wait_for_events(self, number: int) -> None:
        """Wait until the first `number` events are answered."""
        missing = max(0, number - len(self.join()))
        within_s = LEAST_WAIT_S + SLOWEST * missing / self.plan.rate

        def is_answered() -> bool:
            judged = self.join()
            return sum(event.sent.number < number for event in judged) >= number

        self.wait_until(is_answered, f"{number} events are answered", within_s=within_s)

    def wait_for_revision(self, revision: str) -> None:
        """Wait until the newest verdict comes from this revision."""

        def is_serving() -> bool:
            verdicts = self.read_verdicts()
            return bool(verdicts) and verdicts[-1].model.revision == revision

        self.wait_until(is_serving, f"revision {revision[:19]} answers", within_s=LEAST_WAIT_S)

    def wait_until(self, is_done: Callable[[], bool], what: str, *, within_s: float) -> None:
        """Wait, and say now and then how right the verdicts are.

        Raises: FatalError if the worker, a server or the traffic ends, or time is up.
        """
        deadline = time.monotonic() + within_s
        while not is_done():
            self.site.stack.check()
            if not self.worker.running:
                raise FatalError(f"the worker has ended; see {self.worker.log}")
            if time.monotonic() > deadline:
                raise FatalError(f"not within {within_s:.0f} s: {what}; see {self.worker.log}")
            self._announce()
            time.sleep(POLL_S)

    def read_swap_seconds(self) -> float:
        """Return the longest pause of a swap that the worker has measured so far."""
        return read_metric(self.worker.get("/metrics"), "zoomin_model_swap_seconds")

    def _announce(self) -> None:
        if time.monotonic() - self._announced_at > PROGRESS_S:
            self._announced_at = time.monotonic()
            judged = self.join()
            shares = {kind: [event for event in judged if event.sent.kind is kind][-LATEST:] for kind in Kind}
            text = ", ".join(
                f"{kind} kinds {measurement.compute_accuracy(latest):.2f}" for kind, latest in shares.items() if latest
            )
            self.notify(f"  {len(self.sent)} events sent, {len(judged)} answered; right of the latest: {text or '-'}")


@contextmanager
def run_live(plan: LoopDemoPlan, site: LoopSite, notify: Notify) -> Iterator[LiveLoop]:
    """Start a worker, follow its verdicts, and send traffic as soon as it answers."""
    file = plan.out / "verdicts.jsonl"
    with ExitStack() as stack:
        worker = stack.enter_context(WorkerProcess(plan.worker, site.commands.environment, plan.out / "worker"))
        worker.wait_until_started()
        stack.enter_context(site.commands.follow("worker", "tail", "--since", "7d", "--json", into=file))
        client = stack.enter_context(closing(site.stack.seaweedfs.build_client()))
        traffic = Traffic(plan, client, site.stack.kafka.bootstrap_servers, site.ledger)
        with traffic:
            yield LiveLoop(plan, site, traffic, worker, VerdictLog(file), notify)
        worker.stop()


def read_metric(exposition: str, name: str) -> float:
    """Return the sum of a metric's samples; of a histogram that of its values."""
    samples = [
        sample
        for family in text_string_to_metric_families(exposition)
        if family.name == name
        for sample in family.samples
    ]
    return sum(sample.value for sample in samples if sample.name in (name, f"{name}_sum"))
