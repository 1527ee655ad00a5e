"""(g) What exactly-once costs over at-least-once: events/s of our own code, and how long a verdict is on its way."""

import statistics
from contextlib import ExitStack

from tests.bench.run.session import Session
from tests.support.processes.worker_process import STANDIN

MODES = ("at_least_once", "exactly_once")
PACED_PER_S = 20


def measure(session: Session) -> None:
    rates: dict[str, list[float]] = {mode: [] for mode in MODES}
    delays_s: dict[str, list[float]] = {mode: [] for mode in MODES}
    with ExitStack() as stack:
        pipelines = {
            mode: stack.enter_context(session.pipeline(f"delivery-{mode}", *STANDIN, KAFKA__DELIVERY=mode))
            for mode in MODES
        }
        for pipeline in pipelines.values():
            pipeline.ready()
        slices = session.slices(session.plan.own_events)
        for repeat, urls in enumerate(slices, start=1):
            for mode, pipeline in pipelines.items():
                session.progress.say(f"delivery: {mode}, {repeat} of {session.plan.repeats}")
                rates[mode].append(pipeline.judge(urls).rate_per_s)
                paced = urls[: int(PACED_PER_S * session.plan.pace_s)]
                even = [number / PACED_PER_S for number in range(len(paced))]
                delays_s[mode].append(statistics.median(pipeline.site.delays_s(paced, arrivals_s=even)))
    least, exactly = (rates[mode] for mode in MODES)
    session.report.add("exactly_over_least_events_per_s", [b / a for a, b in zip(least, exactly, strict=True)])
    for mode in MODES:
        session.report.add(f"visible_after_s_{mode}", delays_s[mode])
