import json
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from training.retraining.news import News, read_alarms


@pytest.mark.parametrize(
    ("news", "least", "reason"),
    [
        (News(500, 200, ()), 200, None),
        (News(500, 199, ()), 200, "199 of 500 labeled cases are new, fewer than 200, and no drift alarm"),
        (News(500, 0, ()), 0, "0 of 500 labeled cases are new, fewer than 1, and no drift alarm"),
        (News(500, 1, ("verdict of web",)), 200, None),
        (
            News(500, 0, ("verdict of web",)),
            200,
            "0 of 500 labeled cases are new, fewer than 200, and drift alarm (verdict of web), but none of them is new",
        ),
    ],
)
def test_a_night_needs_labels_or_an_alarm_with_any(news: News, least: int, reason: str | None) -> None:
    assert news.find_reason_to_wait(least) == reason


def write(path: Path, report: object) -> Path:
    path.write_text(json.dumps(report))
    return path


def test_alarms_alone_are_read_each_once(tmp_path: Path) -> None:
    moved = [
        {"feature": "verdict", "source": "web", "level": "alarm"},
        {"feature": "verdict", "source": "web", "level": "alarm"},
        {"feature": "format", "source": None, "level": "alarm"},
        {"feature": "size", "source": None, "level": "watch"},
    ]
    path = write(tmp_path / "report.json", {"drift": {"moved": moved}})
    assert read_alarms(path) == ("verdict of web", "format of all sources")


def test_a_report_without_drift_raises_no_alarm(tmp_path: Path) -> None:
    assert read_alarms(write(tmp_path / "report.json", {"drift": None})) == ()


@pytest.mark.parametrize("report", [{}, [], {"drift": {"moved": [{"feature": "verdict"}]}}])
def test_a_file_of_another_form_is_told(report: object, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"is no report of `zoomin-train estimate --verdicts`"):
        read_alarms(write(tmp_path / "report.json", report))
    with pytest.raises(BadSettings, match=r"is no report"):
        read_alarms(tmp_path / "missing.json")


def test_a_description_names_the_alarm() -> None:
    assert News(9, 3, ("verdict of web",)).describe() == (
        "3 of 9 labeled cases are new since the champion's snapshot; drift alarm: verdict of web"
    )
