from typing import cast

import pytest

from tests.bench.run import versions
from tests.bench.run.metrics import Metric
from tests.bench.run.report import Report
from tests.bench.run.session import Session, Window


class Reported:
    """A session of which only the report is used."""

    def __init__(self) -> None:
        self.report = Report()


def window(rate_per_s: float, worker_s: float) -> Window:
    return Window(10, rate_per_s, {"worker": worker_s, "worker decoders": 9.0}, {"fetch": 2.0})


WINDOWS = {
    versions.HERE: [window(20, 0.1), window(30, 0.2)],
    versions.BESIDE: [window(10, 0.5), window(10, 0.4)],
}


def test_a_value_is_of_this_checkout_and_a_ratio_over_the_other_of_the_same_repeat() -> None:
    session = Reported()
    rates = versions.read_windows(WINDOWS, lambda window: window.rate_per_s)
    versions.report(cast(Session, session), "events_per_s", rates)
    assert session.report.metrics == {
        "events_per_s": Metric(25, 20, 30, 2),
        "events_per_s_over_beside": Metric(2.5, 2, 3, 2),
    }


def test_without_another_checkout_there_is_no_ratio() -> None:
    session = Reported()
    versions.report(cast(Session, session), "events_per_s", {versions.HERE: [20.0]})
    assert list(session.report.metrics) == ["events_per_s"]


def test_details_of_the_other_checkout_carry_its_name() -> None:
    session = Reported()
    versions.report_details(cast(Session, session), WINDOWS, cpu_ms="cpu_ms", stage_ms="stage_ms")
    details = session.report.details
    assert list(details) == ["cpu_ms", "stage_ms", "cpu_ms_beside", "stage_ms_beside"]
    cpu_ms = cast(dict[str, dict[str, float]], details["cpu_ms"])
    assert cpu_ms["worker"]["median"] == pytest.approx(15)
