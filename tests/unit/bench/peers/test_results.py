import json
import statistics
from dataclasses import dataclass
from itertools import pairwise

import pytest

from tests.bench.peers.results import (
    Run,
    compute_agreement,
    compute_percentile,
    draw_arrivals,
    read_run,
    read_verdict,
)


@dataclass
class Record:
    """The part of a record of Kafka that is looked at."""

    timestamp: int
    value: bytes


def render(key: str, scan: str, check: str | None) -> bytes:
    return json.dumps(
        {"image": {"key": key}, "scan": {"verdict": scan}, "check": check and {"verdict": check}}
    ).encode()


def test_the_verdict_is_what_the_model_said_last() -> None:
    assert read_verdict(render("1.jpg", "real", "generated")) == ("1.jpg", "generated")
    assert read_verdict(render("1.jpg", "real", None)) == ("1.jpg", "real")


def test_a_run_is_timed_by_the_records_of_its_verdicts() -> None:
    records = [Record(1000 * (100 + second), render(f"{second}.jpg", "real", "real")) for second in range(1, 11)]
    run = read_run(records, began_s=100.0, cpu_s={"worker": 2.0, "kafka": 1.0}, ends=2)
    assert run.seconds == 10
    assert run.per_s == pytest.approx(1)
    assert run.steady_per_s == pytest.approx(1)
    assert run.cpu_ms_per_image == pytest.approx(300)


def test_agreement_counts_an_image_that_only_one_has_judged_as_different() -> None:
    first = Run(1, {"a": "real", "b": "real", "c": "generated"}, {})
    second = Run(1, {"a": "real", "b": "generated", "d": "real"}, {})
    assert compute_agreement(first, first) == 1
    assert compute_agreement(first, second) == 1 / 4


def test_arrivals_come_at_their_rate_and_the_same_each_time() -> None:
    arrivals_s = draw_arrivals(5000, per_s=20, seed=1)
    assert arrivals_s == sorted(arrivals_s) == draw_arrivals(5000, per_s=20, seed=1)
    assert arrivals_s[-1] == pytest.approx(250, rel=0.05)
    gaps_s = [after - before for before, after in pairwise(arrivals_s)]
    assert statistics.stdev(gaps_s) == pytest.approx(1 / 20, rel=0.1)  # as long as the mean: no even pace


def test_percentiles_lie_between_the_values() -> None:
    values = [float(number) for number in range(101)]
    assert (compute_percentile(values, 50), compute_percentile(values, 99)) == (50, 99)
