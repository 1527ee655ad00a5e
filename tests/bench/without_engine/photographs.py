"""(i) Measures our own code with photographs of a camera's size: cost, ceiling, and memory while many are in flight.

Cost and ceiling are measured with an engine that answers at once; memory with one that holds each photograph as long
as a busy GPU does, so that as many as may be are in flight.
"""

from pipeline.geometry import Size
from tests.bench.run import versions
from tests.bench.run.peak import watch_peak
from tests.bench.run.pictures import Photographs
from tests.bench.run.session import Session, Window

SIZES: dict[str, Size] = {"12mp": (4000, 3000), "48mp": (8000, 6000)}
DIFFERENT = {"12mp": 16, "48mp": 2}
"""photographs in the bucket; events come back to them"""
ENDS = {"12mp": 16, "48mp": 2}
"""completions left out of a rate at each end; the decoders are busy in between"""
IN_FLIGHT = 128
HELD = ("--images-per-s", "12", "--concurrency", str(IN_FLIGHT))
"""an engine on which a photograph stays for 10 s"""


def measure(session: Session) -> None:
    urls = {size: _upload(session, size) for size in SIZES}
    plan = session.plan
    with versions.start_workers(session, "photographs") as pipelines:
        for size, events in (("12mp", plan.photographs), ("48mp", plan.large_photographs)):
            for pipeline in pipelines.values():
                pipeline.site.judge(urls[size])  # the decoders' memory grows to this size
            slices = [_repeat(urls[size], events)] * plan.repeats
            windows = versions.judge_in_turns(session, pipelines, slices, size, ends=ENDS[size])
            _report(session, size, windows)
    _measure_memory(session, urls["12mp"])


def _upload(session: Session, size: str) -> list[str]:
    session.progress.say(f"photographs: {DIFFERENT[size]} of {size} into the bucket")
    photographs = Photographs(SIZES[size])
    return [session.ground.upload(f"{size}-{n}.jpg", photographs.jpeg(n)) for n in range(DIFFERENT[size])]


def _repeat(urls: list[str], events: int) -> list[str]:
    return [urls[n % len(urls)] for n in range(events)]


def _report(session: Session, size: str, windows: versions.Windows) -> None:
    versions.report(session, f"own_cpu_ms_{size}", versions.read_windows(windows, _read_main_process_ms))
    versions.report(session, f"events_per_s_{size}", versions.read_windows(windows, lambda window: window.rate_per_s))
    versions.report_details(session, windows, cpu_ms=f"cpu_ms_{size}", stage_ms=f"stage_ms_{size}")


def _read_main_process_ms(window: Window) -> float:
    return window.cpu_ms_per_image["worker"]


def _measure_memory(session: Session, urls: list[str]) -> None:
    """Measure each repeat on a new worker: memory grows and does not shrink."""
    memory: versions.Readings = {}
    in_flight: versions.Readings = {}
    for repeat in range(session.plan.repeats):
        with versions.start_workers(session, f"held-{repeat}", *HELD, in_flight=IN_FLIGHT) as pipelines:
            for version, pipeline in pipelines.items():
                session.progress.say(f"photographs in flight {version}, {repeat + 1} of {session.plan.repeats}")
                sent = _repeat(urls, session.plan.held_photographs)
                with watch_peak(pipeline.worker) as peak:
                    pipeline.site.judge(sent)
                memory.setdefault(version, []).append(peak.memory_mib)
                in_flight.setdefault(version, []).append(peak.in_flight)
    versions.report(session, "peak_memory_mib_12mp", memory)
    versions.report(session, "peak_in_flight_12mp", in_flight)
