import pytest

from tests.bench.run.metrics import Metric, Target, compute_steady_rate, format_metrics


def test_a_metric_is_median_and_spread() -> None:
    assert Metric.summarize([3.0, 1.0, 2.0, 9.0]) == Metric(median=2.5, min=1.0, max=9.0, n=4)


def test_the_steady_rate_leaves_out_start_and_run_out() -> None:
    slow_start = [0.0, 10.0]
    steady = [20 + n / 50 for n in range(101)]
    slow_end = [30.0, 40.0]
    assert compute_steady_rate(slow_end + steady + slow_start, ends=2) == pytest.approx(50)


@pytest.mark.parametrize("times_s", [[], [1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 2.0, 3.0]])
def test_a_rate_needs_something_between_the_ends(times_s: list[float]) -> None:
    with pytest.raises(ValueError, match="too few"):
        compute_steady_rate(times_s, ends=1)


def test_targets_bound_the_median() -> None:
    metric = Metric.summarize([1.0, 2.0, 30.0])
    assert Target(2).is_met(metric)
    assert Target(2, below=True).is_met(metric)
    assert not Target(2.1).is_met(metric)
    assert not Target(1.9, below=True).is_met(metric)


def test_the_table_says_what_misses_its_target() -> None:
    metrics = {
        "rss_growth": Metric.summarize([1.2]),
        "worker_over_plain": Metric.summarize([4.0]),
        "own_events_per_s": Metric.summarize([60.0]),
    }
    growth, plain, rate = format_metrics(metrics).splitlines()[1:]
    assert growth.endswith("<= 1.05  MISS")
    assert plain.endswith(">= 3  ok")
    assert rate.split() == ["own_events_per_s", "60", "60", "60", "1"]


def test_the_table_of_a_run_that_measured_nothing_is_its_heading() -> None:
    assert format_metrics({}).split() == ["median", "min", "max", "n", "target"]
