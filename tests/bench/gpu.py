"""(b) The worker behind an engine at a GPU's pace that leaves the processor to it: how much of the pace arrives."""

from contextlib import ExitStack

from tests.bench.session import CONCURRENCY, IN_FLIGHT, Session, Window
from tests.support.processes.worker_process import STANDIN

PACES = (30, 60)


def measure(session: Session) -> None:
    windows: dict[int, list[Window]] = {pace: [] for pace in PACES}
    with ExitStack() as stack:
        pipelines = {
            pace: stack.enter_context(
                session.pipeline(
                    f"pace-{pace}", *STANDIN, "--images-per-s", str(pace), "--concurrency", str(CONCURRENCY)
                )
            )
            for pace in PACES
        }
        for pipeline in pipelines.values():
            pipeline.ready()
        slices = {pace: session.slices(int(pace * session.plan.pace_s) + 2 * IN_FLIGHT) for pace in PACES}
        for repeat in range(session.plan.repeats):
            for pace, pipeline in pipelines.items():
                session.progress.say(f"gpu: {pace} images/s, {repeat + 1} of {session.plan.repeats}")
                windows[pace].append(pipeline.judge(slices[pace][repeat]))
    for pace in PACES:
        name = f"worker_over_gpu_pace_{pace}"
        session.report.add(name, [window.rate_per_s / pace for window in windows[pace]])
        session.report.detail(f"{name}_cpu_ms_per_image", [window.cpu_ms_per_image for window in windows[pace]])
        session.report.detail(f"{name}_stage_ms", [window.stage_ms for window in windows[pace]])
