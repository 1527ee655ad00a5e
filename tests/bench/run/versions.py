"""Measures the same windows of work on the workers of this checkout and, with `--beside`, of another one, in turns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from tests.bench.run.session import IN_FLIGHT, Pipeline, Session, Window
from tests.support.paths import ROOT
from tests.support.processes.worker_process import STANDIN

HERE, BESIDE = "here", "beside"

Readings = dict[str, list[float]]
"""one value for each repeat, by version"""
Windows = dict[str, list[Window]]


@contextmanager
def start_workers(
    session: Session, name: str, *engine: str, in_flight: int = IN_FLIGHT
) -> Iterator[dict[str, Pipeline]]:
    """Start a worker of each version on a stand-in engine with these options, and wait until they are ready."""
    versions = {HERE: ROOT, **({} if session.beside is None else {BESIDE: session.beside})}
    with ExitStack() as stack:
        pipelines = {
            version: stack.enter_context(
                session.pipeline(f"{name}-{version}", *STANDIN, *engine, code=code, in_flight=in_flight)
            )
            for version, code in versions.items()
        }
        for pipeline in pipelines.values():
            pipeline.ready()
        yield pipelines


def judge_in_turns(
    session: Session, pipelines: Mapping[str, Pipeline], slices: Sequence[list[str]], label: str, *, ends: int
) -> Windows:
    """Measure a window for each slice and version; the versions take turns within a slice."""
    windows: Windows = {version: [] for version in pipelines}
    for number, urls in enumerate(slices, start=1):
        for version, pipeline in pipelines.items():
            session.progress.say(f"{label}: {len(urls)} events {version}, {number} of {len(slices)}")
            windows[version].append(pipeline.judge(urls, ends=ends))
    return windows


def read_windows(windows: Windows, value: Callable[[Window], float]) -> Readings:
    return {version: [value(window) for window in measured] for version, measured in windows.items()}


def report(session: Session, key: str, readings: Readings) -> None:
    """Report the values of this checkout and, beside another one, the ratios of each repeat."""
    session.report.add(key, readings[HERE])
    if BESIDE in readings:
        ratios = [here / beside for here, beside in zip(readings[HERE], readings[BESIDE], strict=True)]
        session.report.add(f"{key}_over_beside", ratios)


def report_details(session: Session, windows: Windows, *, cpu_ms: str, stage_ms: str) -> None:
    """Report the CPU time of each process per image and the time in each stage under these names."""
    for version, measured in windows.items():
        suffix = "" if version == HERE else f"_{version}"
        session.report.detail(cpu_ms + suffix, [window.cpu_ms_per_image for window in measured])
        session.report.detail(stage_ms + suffix, [window.stage_ms for window in measured])
