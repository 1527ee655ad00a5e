"""(a) Our own code between Kafka and Kafka, with an engine that answers at once: ceiling and cost."""

from tests.bench.run import versions
from tests.bench.run.session import IN_FLIGHT, Session, Window


def measure(session: Session) -> None:
    slices = session.slices(session.plan.own_events)
    with versions.start_workers(session, "own") as pipelines:
        windows = versions.judge_in_turns(session, pipelines, slices, "own", ends=IN_FLIGHT)
    versions.report(session, "own_events_per_s", versions.read_windows(windows, lambda window: window.rate_per_s))
    versions.report(session, "own_cpu_ms_per_event", versions.read_windows(windows, _read_whole_worker_ms))
    versions.report_details(session, windows, cpu_ms="own_cpu_ms_per_event", stage_ms="own_stage_ms")


def _read_whole_worker_ms(window: Window) -> float:
    return sum(ms for part, ms in window.cpu_ms_per_image.items() if part.startswith("worker"))
