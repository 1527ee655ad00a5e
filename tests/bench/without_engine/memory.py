"""(f) The worker's memory over many different images: proportional set size of its whole process tree, at rest.

`rss_growth` is the reading after the last images over that after the first, which are the warm-up.
"""

from tests.bench.run.processes import memory_mib
from tests.bench.run.session import Session
from tests.support.processes.worker_process import STANDIN


def measure(session: Session) -> None:
    totals = session.plan.memory_events
    readings = []
    for repeat in range(session.plan.repeats):
        session.progress.say(f"memory: {totals[-1]} images, {repeat + 1} of {session.plan.repeats}")
        readings.append(_one_life(session, f"memory-{repeat}"))
    first, last = totals[0], totals[-1]
    session.report.add("rss_growth", [reading[last]["pss"] / reading[first]["pss"] for reading in readings])
    for kind in ("pss", "uss"):
        by_count = [{f"after_{count}": mib[kind] for count, mib in reading.items()} for reading in readings]
        session.report.detail(f"memory_{kind}_mib", by_count)


def _one_life(session: Session, name: str) -> dict[int, dict[str, float]]:
    reading, done = {}, 0
    with session.pipeline(name, *STANDIN) as pipeline:
        pipeline.worker.wait_until_started()
        for total in session.plan.memory_events:
            urls = session.ground.urls(range(done, total))
            pipeline.site.judge(urls)
            reading[total] = memory_mib(pipeline.worker.pid)
            done = total
    return reading
