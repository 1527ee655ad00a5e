"""(c), (e): the whole worker on the real engine, beside the bare engine and beside a plain consumer.

All are alive the whole time and work in turns, each on an engine of the same settings: the plain consumer on the bare
one's. In turns means that a busy minute of the machine weighs on all of them.
"""

from collections.abc import Sequence

from tests.bench.run.ground import MeasuredSite
from tests.bench.run.job import Job, PlainJob
from tests.bench.run.metrics import compute_steady_rate
from tests.bench.run.processes import CpuMeter
from tests.bench.run.session import Pipeline, Session
from tests.bench.with_engine.engine_host import EngineHost

IN_FLIGHT = 24
FIRST_PICTURE = 100
PLAIN_ENDS = 2

Readings = dict[str, list[dict[str, float]]]


def measure(session: Session, worker: Pipeline, host: EngineHost, *, parts: Sequence[str]) -> None:
    plan = session.plan
    contenders = ["worker", *(["bare"] if "engine" in parts else []), *(["plain"] if "plain" in parts else [])]
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    cpu_s: Readings = {name: [] for name in contenders}
    tokens: list[dict[str, float]] = []
    meter = CpuMeter({"worker": worker.worker.pid, "bare": host.pid, **session.ground.servers})
    with session.ground.site("plain") as plain_site:
        for repeat in range(plan.repeats):
            images = Images(session, repeat)
            for name in contenders:
                session.progress.say(f"{name} on the real engine, {repeat + 1} of {plan.repeats}")
                meter.start()
                if name == "worker":
                    rates[name].append(worker.judge(session.ground.urls(images.batch)).rate_per_s)
                elif name == "bare":
                    rate, counted = _bare(host, images.batch)
                    rates[name].append(rate)
                    tokens.append(counted)
                else:
                    rates[name].append(_plain(session, plain_site, host, images.one_by_one))
                cpu_s[name].append(meter.seconds())
    _report(session, rates, cpu_s, tokens)


class Images:
    """Which pictures a repeat is about: none that an engine has met before, or its caches would answer."""

    def __init__(self, session: Session, repeat: int) -> None:
        plan = session.plan
        batch = FIRST_PICTURE + repeat * plan.engine_images
        one_by_one = FIRST_PICTURE + plan.repeats * plan.engine_images + repeat * plan.plain_images
        self.batch = range(batch, batch + plan.engine_images)
        self.one_by_one = range(one_by_one, one_by_one + plan.plain_images)


def _bare(host: EngineHost, numbers: range) -> tuple[float, dict[str, float]]:
    result = host.perform(Job(numbers.start, len(numbers), IN_FLIGHT))
    per_image = {
        "prompt_tokens": result.prompt_tokens / len(numbers),
        "cached_tokens": result.cached_tokens / len(numbers),
        "answer_tokens": result.answer_tokens / len(numbers),
        "crops": result.crops / len(numbers),
    }
    return compute_steady_rate(result.finished_s, ends=IN_FLIGHT), per_image


def _plain(session: Session, site: MeasuredSite, host: EngineHost, numbers: range) -> float:
    with host.consuming(PlainJob(len(numbers), site.place)):
        times_s = site.judge(session.ground.urls(numbers))
    return compute_steady_rate(times_s, ends=PLAIN_ENDS)


def _report(session: Session, rates: dict[str, list[float]], cpu_s: Readings, tokens: list[dict[str, float]]) -> None:
    report = session.report
    if tokens:
        report.add("worker_over_engine", [a / b for a, b in zip(rates["worker"], rates["bare"], strict=True)])
        report.detail("tokens_per_image", tokens)
    if "plain" in rates:
        report.add("worker_over_plain", [a / b for a, b in zip(rates["worker"], rates["plain"], strict=True)])
    for name, values in rates.items():
        report.detail(f"{name}_on_engine", [{"images_per_s": rate} for rate in values])
        report.detail(f"{name}_on_engine_cpu_s", cpu_s[name])
