"""What a round's report counts of its models, and what breaks it."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.chaos.report import ModelChanges, Report, count_model_changes
from tests.chaos.verification import verify

REPORT = Report(
    7, "at_least_once", verify([], [], []), 0, Counter(worker_killed=2), [], 1.0, ModelChanges(Counter(), Counter(), [])
)


def test_swaps_are_counted_by_their_way_and_refusals_by_their_reason() -> None:
    lines = [
        {"event": "model_swapped", "way": "reload"},
        {"event": "model_swapped", "way": "restart"},
        {"event": "model_swapped", "way": "reload"},
        {"event": "model_refused", "reason": "files"},
        {"event": "event_judged"},
    ]
    changes = count_model_changes(lines, ["one hangs back"])
    figures = replace(REPORT, models=changes).to_json()
    assert figures["swaps"] == {"reload": 2, "restart": 1}
    assert figures["refused_models"] == {"files": 1}
    assert figures["workers_behind_the_champion"] == 1


@pytest.mark.parametrize(
    ("report", "broken"),
    [
        (REPORT, []),
        (replace(REPORT, models=replace(REPORT.models, laggards=["one hangs back"])), ["one hangs back"]),
        (replace(REPORT, ended_badly=["one ended"]), ["one ended"]),
    ],
    ids=["kept", "behind", "ended"],
)
def test_a_worker_that_hangs_back_or_ended_breaks_the_round(report: Report, broken: list[str]) -> None:
    assert report.broken == broken
