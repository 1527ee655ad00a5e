"""(j) Compares the worker with a client of vLLM's OpenAI server and with vLLM's offline batch.

A team without the worker would write one of them. All have the same model, prompts, grammar, images and engine
options, are alive the whole time and work in turns, each on an engine of its own. Equal verdicts show that all do the
same work.
"""

from collections.abc import Callable, Mapping, Sequence

from tests.bench.peers.results import Run, compute_agreement, compute_percentile, draw_arrivals
from tests.bench.peers.start import Contender, Peers, start_peers
from tests.bench.run.report import Report
from tests.bench.run.session import WARM_UP_EVENTS, Session

WORKER, CLIENT, BATCH = "worker", "server_client", "offline_batch"
LOADS = (50, 80)
"""percent of what the slower one of the two services can do"""
SEED = 10

Runs = Mapping[str, Sequence[Run]]


def measure(session: Session) -> None:
    with start_peers(session) as peers:
        runs = _judge_in_turns(session, peers)
        report_runs(session.report, runs)
        _measure_latency(session, peers, compute_capacity(runs))


def _judge_in_turns(session: Session, peers: Peers) -> Runs:
    repeats, count = session.plan.peer_repeats, session.plan.peer_images
    contenders: dict[str, Contender] = {WORKER: peers.worker, CLIENT: peers.server_client, BATCH: peers.offline_batch}
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for repeat in range(repeats):
        first = WARM_UP_EVENTS + repeat * count
        for name, contender in contenders.items():
            session.progress.say(f"peers: {name}, {repeat + 1} of {repeats}")
            runs[name].append(contender.judge(range(first, first + count)))
    return runs


def _measure_latency(session: Session, peers: Peers, capacity_per_s: float) -> None:
    """Measure one window of Poisson arrivals for each load and service: the same events at the same times."""
    first = WARM_UP_EVENTS + session.plan.peer_repeats * session.plan.peer_images
    count = session.plan.latency_images
    for number, load in enumerate(LOADS):
        urls = session.ground.urls(range(first + number * count, first + (number + 1) * count))
        arrivals_s = draw_arrivals(count, per_s=capacity_per_s * load / 100, seed=SEED)
        for name, service in ((WORKER, peers.worker), (CLIENT, peers.server_client)):
            session.progress.say(f"peers: latency of {name} at {load} %")
            delays_s = service.site.delays_s(urls, arrivals_s=arrivals_s)
            for percent in (50, 99):
                session.report.add(f"p{percent}_s_at_{load}_{name}", [compute_percentile(delays_s, percent)])


def compute_capacity(runs: Runs) -> float:
    """Return the events/s of the slower service, a load that both can bear."""
    return min(sum(run.steady_per_s for run in runs[name]) / len(runs[name]) for name in (WORKER, CLIENT))


def report_runs(report: Report, runs: Runs) -> None:
    """Report the ratios: of services at their steady rates, of the batch, which has none, over the whole time."""

    def add(key: str, other: str, value: Callable[[Run, Run], float]) -> None:
        report.add(key, [value(mine, its) for mine, its in zip(runs[WORKER], runs[other], strict=True)])

    add("worker_over_server_client", CLIENT, lambda mine, its: mine.steady_per_s / its.steady_per_s)
    add("worker_over_server_client_whole", CLIENT, lambda mine, its: mine.per_s / its.per_s)
    add("worker_over_offline_batch", BATCH, lambda mine, its: mine.per_s / its.per_s)
    add("worker_cpu_over_server_client", CLIENT, lambda mine, its: mine.cpu_ms_per_image / its.cpu_ms_per_image)
    for name in (CLIENT, BATCH):
        add(f"verdicts_equal_{name}", name, compute_agreement)
    for name, measured in runs.items():
        rates = [{"images_per_s": run.per_s, "steady_per_s": run.steady_per_s} for run in measured]
        report.detail(f"{name}_peer", rates)
        report.detail(f"{name}_peer_cpu_s", [run.cpu_s for run in measured])
