from tests.bench.peers import comparison
from tests.bench.peers.results import Run
from tests.bench.run.metrics import Metric
from tests.bench.run.report import Report


def run(seconds: float, cpu_s: float, *, steady_per_s: float = 0.0, verdict: str = "real") -> Run:
    return Run(seconds, {"a": verdict, "b": "real"}, {"all": cpu_s}, steady_per_s)


RUNS = {
    comparison.WORKER: [run(1.0, 0.3, steady_per_s=24), run(1.0, 0.3, steady_per_s=30)],
    comparison.CLIENT: [run(1.2, 0.4, steady_per_s=20), run(1.1, 0.6, steady_per_s=20)],
    comparison.BATCH: [run(1.3, 0.2), run(1.1, 0.2, verdict="generated")],
}


def test_services_are_compared_at_their_steady_rate_and_the_batch_by_the_whole_time() -> None:
    report = Report()
    comparison.report_runs(report, RUNS)
    assert report.metrics["worker_over_server_client"] == Metric(1.35, 1.2, 1.5, 2)
    assert report.metrics["worker_over_server_client_whole"] == Metric(1.15, 1.1, 1.2, 2)
    assert report.metrics["worker_over_offline_batch"] == Metric(1.2000000000000002, 1.1, 1.3, 2)
    assert report.metrics["worker_cpu_over_server_client"].max == 0.75
    assert report.metrics["verdicts_equal_server_client"].min == 1
    assert report.metrics["verdicts_equal_offline_batch"].min == 0.5


def test_the_load_is_a_share_of_what_the_slower_service_can_do() -> None:
    assert comparison.compute_capacity(RUNS) == 20
