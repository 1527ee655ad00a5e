"""Watches a worker while it works: the peak memory of its process tree, and the peak of events in flight."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.bench.run.processes import memory_mib
from tests.support.processes.worker_process import WorkerProcess

EVERY_S = 0.5
IN_FLIGHT = "zoomin_in_flight"


@dataclass
class Peak:
    memory_mib: float = 0.0
    in_flight: float = 0.0

    def note(self, *, memory_mib: float, in_flight: float) -> None:
        self.memory_mib = max(self.memory_mib, memory_mib)
        self.in_flight = max(self.in_flight, in_flight)


@contextmanager
def watch_peak(worker: WorkerProcess) -> Iterator[Peak]:
    """Find the peaks between entering and leaving; memory is the proportional set size."""
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(EVERY_S):
            peak.note(memory_mib=memory_mib(worker.pid)["pss"], in_flight=read_in_flight(worker.get("/metrics")))

    watcher = threading.Thread(target=watch, name="peak")
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def read_in_flight(metrics: str) -> float:
    """Return the events in flight on a /metrics page."""
    families = {family.name: family for family in text_string_to_metric_families(metrics)}
    return families[IN_FLIGHT].samples[0].value
