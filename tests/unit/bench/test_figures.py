import pytest

from tests.bench.figures import Figure, Target, steady_rate, table


def test_a_figure_is_median_and_spread() -> None:
    assert Figure.of([3.0, 1.0, 2.0, 9.0]) == Figure(median=2.5, min=1.0, max=9.0, n=4)


def test_the_steady_rate_leaves_out_start_and_run_out() -> None:
    slow_start = [0.0, 10.0]
    steady = [20 + n / 50 for n in range(101)]
    slow_end = [30.0, 40.0]
    assert steady_rate(slow_end + steady + slow_start, ends=2) == pytest.approx(50)


@pytest.mark.parametrize("times_s", [[], [1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 2.0, 3.0]])
def test_a_rate_needs_something_between_the_ends(times_s: list[float]) -> None:
    with pytest.raises(ValueError, match="too few"):
        steady_rate(times_s, ends=1)


def test_targets_bound_the_median() -> None:
    figure = Figure.of([1.0, 2.0, 30.0])
    assert Target(2).met(figure)
    assert Target(2, below=True).met(figure)
    assert not Target(2.1).met(figure)
    assert not Target(1.9, below=True).met(figure)


def test_the_table_says_what_misses_its_target() -> None:
    figures = {
        "rss_growth": Figure.of([1.2]),
        "worker_over_plain": Figure.of([4.0]),
        "own_events_per_s": Figure.of([60.0]),
    }
    growth, plain, rate = table(figures).splitlines()[1:]
    assert growth.endswith("<= 1.05  MISS")
    assert plain.endswith(">= 3  ok")
    assert rate.split() == ["own_events_per_s", "60", "60", "60", "1"]
