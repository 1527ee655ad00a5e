"""One run: the ground, the plan, what was measured so far, and the workers that come and go."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from tests.bench.plan import Plan
from tests.bench.run import stages
from tests.bench.run.ground import Ground, MeasuredSite
from tests.bench.run.metrics import compute_steady_rate
from tests.bench.run.processes import CpuMeter, ending
from tests.bench.run.progress import Progress
from tests.bench.run.report import Report
from tests.support.paths import ROOT
from tests.support.processes.worker_process import WorkerProcess

CONCURRENCY = 32
IN_FLIGHT = CONCURRENCY * 3 // 2
WARM_UP_EVENTS = 64


@dataclass(frozen=True, slots=True)
class Window:
    """What one stretch of work showed: images/s in its steady state, what each part of it cost, and the stages."""

    images: int
    rate_per_s: float
    cpu_s: dict[str, float]
    stage_ms: dict[str, float]

    @property
    def cpu_ms_per_image(self) -> dict[str, float]:
        return {part: 1000 * seconds / self.images for part, seconds in self.cpu_s.items()}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A worker with topics of its own; idle between windows."""

    site: MeasuredSite
    worker: WorkerProcess
    in_flight: int
    meter: CpuMeter
    warming: list[str]

    def ready(self) -> None:
        """Returns when the worker has started and the first events, which meet cold connections, are answered."""
        self.worker.wait_until_started()
        self.site.judge(self.warming)

    def judge(self, urls: list[str], *, ends: int | None = None) -> Window:
        """Sends these and measures until all are answered.

        Start and run-out are left out of the rate: `ends` completions each, else as many as may be in flight.
        """
        before = stages.read(self.worker.get("/metrics"))
        self.meter.start()
        times_s = self.site.judge(urls)
        cpu_s = self.meter.seconds()
        stage_ms = stages.means_ms(before, stages.read(self.worker.get("/metrics")))
        return Window(len(urls), compute_steady_rate(times_s, ends=ends or self.in_flight), cpu_s, stage_ms)


@dataclass(frozen=True, slots=True)
class Session:
    ground: Ground
    checkpoint: Checkpoint
    plan: Plan
    progress: Progress
    report: Report
    profile: Path | None
    beside: Path | None
    """another checkout, to compare with"""

    @contextmanager
    def pipeline(
        self, name: str, *command: str, in_flight: int = IN_FLIGHT, code: Path = ROOT, **settings: str
    ) -> Iterator[Pipeline]:
        """A worker that is starting; stopped, and its whole process tree gone, afterwards."""
        site = self.ground.site(name, FLOW__MAX_IN_FLIGHT=str(in_flight), **settings)
        profiler = () if self.profile is None else ("cProfile", "-o", str(self.profile / f"{name}.prof"), "-m")
        with site, site.build_worker(*profiler, *command, code=code) as worker, ending(worker.pid):
            meter = CpuMeter({"worker": worker.pid, **self.ground.servers})
            yield Pipeline(site, worker, in_flight, meter, self.ground.urls(range(WARM_UP_EVENTS)))
            worker.stop()

    def slices(self, size: int) -> list[list[str]]:
        """Events of one window for each repeat, behind those that warmed up."""
        starts = range(WARM_UP_EVENTS, WARM_UP_EVENTS + size * self.plan.repeats, size)
        return [self.ground.urls(range(start, start + size)) for start in starts]
