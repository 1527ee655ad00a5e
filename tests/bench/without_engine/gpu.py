"""(b) The worker behind an engine at a GPU's pace: how much of the pace arrives, and what a second front adds.

The engine leaves the CPU alone, except for its front, which uses as much of it as that of a 7B model: in the worker's
own process if there is one front, else in processes of their own.
"""

from contextlib import ExitStack

from pipeline.machine import count_cores
from pipeline.vllm.options import choose_fronts
from tests.bench.run.session import CONCURRENCY, IN_FLIGHT, Pipeline, Session, Window
from tests.support.processes.worker_process import STANDIN

PACES = (30, 60)
UNHINDERED = 120
"""images/s that no front on one core reaches: so the fronts are the limit"""
FRONTS = (1, 2)
FRONTS_PART = "worker engine core"
"""the meter's name for the children that multiprocessing has started: the fronts, and a core that sleeps"""
FRONT_CPU_MS = 28
"""an image, measured at views of 504 px and 200 answer tokens of both queries"""


def measure(session: Session) -> None:
    windows: dict[str, list[Window]] = {}
    with ExitStack() as stack:
        fronts = choose_fronts(count_cores(), on_cpu=False)
        pipelines = {f"pace-{pace}": (_start(session, stack, pace, fronts), pace) for pace in PACES}
        pipelines |= {f"fronts-{count}": (_start(session, stack, UNHINDERED, count), PACES[0]) for count in FRONTS}
        for pipeline, _ in pipelines.values():
            pipeline.ready()
        for repeat in range(session.plan.repeats):
            for name, (pipeline, images_per_s) in pipelines.items():
                session.progress.say(f"gpu: {name}, {repeat + 1} of {session.plan.repeats}")
                urls = session.slices(int(images_per_s * session.plan.pace_s) + 2 * IN_FLIGHT)[repeat]
                windows.setdefault(name, []).append(pipeline.judge(urls))
    for pace in PACES:
        _report(session, f"worker_over_gpu_pace_{pace}", windows[f"pace-{pace}"], [float(pace)] * session.plan.repeats)
    alone, both = (windows[f"fronts-{count}"] for count in FRONTS)
    _report(session, "two_fronts_over_one", both, [window.rate_per_s for window in alone])
    session.report.add("images_per_s_of_one_front", [window.rate_per_s for window in alone])
    session.report.detail("one_front_cpu_ms_per_image", [window.cpu_ms_per_image for window in alone])
    busiest_ms = [[_read_busiest_ms(w, count) for w in windows[f"fronts-{count}"]] for count in FRONTS]
    session.report.add("two_fronts_over_one_on_free_cores", [a / b for a, b in zip(*busiest_ms, strict=True)])


def _start(session: Session, stack: ExitStack, images_per_s: int, fronts: int) -> Pipeline:
    pace = ("--images-per-s", str(images_per_s), "--concurrency", str(CONCURRENCY))
    load = ("--front-cpu-ms", str(FRONT_CPU_MS), "--fronts", str(fronts))
    return stack.enter_context(session.pipeline(f"pace-{images_per_s}-{fronts}", *STANDIN, *pace, *load))


def _read_busiest_ms(window: Window, fronts: int) -> float:
    """Return the CPU ms an image of the busiest process: the worker's own or one of its fronts.

    On cores that are free, it alone limits the images/s; where all share two cores, their sum does.
    """
    cpu_ms = window.cpu_ms_per_image
    return max(cpu_ms["worker"], cpu_ms.get(FRONTS_PART, 0.0) / fronts)


def _report(session: Session, name: str, windows: list[Window], over: list[float]) -> None:
    session.report.add(name, [window.rate_per_s / other for window, other in zip(windows, over, strict=True)])
    session.report.detail(f"{name}_cpu_ms_per_image", [window.cpu_ms_per_image for window in windows])
    session.report.detail(f"{name}_stage_ms", [window.stage_ms for window in windows])
