from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.verdicts import build_verdict
from training.estimates.drift import count_verdicts, measure_drift
from training.estimates.features import KEYWORDS, SOURCE, TITLES
from training.estimates.verdict_lines import SkippedLines
from training.evaluation.summary import Json

START = datetime(2026, 1, 1, tzinfo=UTC)


def write_verdicts(path: Path, *, days: int, first: int = 0, per_day: int = 120, moved: str | None = None) -> str:
    """Write verdicts of two sources; those of `moved` are mostly corrected to generated on the last day."""
    with path.open("w") as file:
        for number in range(days * per_day):
            day, source = first + number // per_day, f"s{number % 2}"
            drifts = source == moved and day == first + days - 1
            verdict = build_verdict(
                event_id=str(number),
                source=source,
                scan="real",
                check="generated" if number % (2 if drifts else 10) < 2 else "real",
                zoomed=[(0, 0, 100, 100)],
                decided_at=START + timedelta(days=day, minutes=number % per_day),
            )
            file.write(verdict.model_dump_json() + "\n")
    return str(path)


def measure(verdicts: str, reference: str | None = None, **times: datetime | None) -> Json:
    skipped = SkippedLines()
    before, after = count_verdicts(
        verdicts, reference, until=times.get("until"), since=times.get("since"), skipped=skipped
    )
    assert not skipped.counts
    return measure_drift(before, after)


def test_the_same_traffic_does_not_drift(tmp_path: Path) -> None:
    before = write_verdicts(tmp_path / "before", days=4)
    report = measure(write_verdicts(tmp_path / "after", days=3, first=4), before)
    assert report["moved"] == []
    assert [(scope["source"], scope["day"]) for scope in report["scopes"]] == [
        (None, None),
        *((None, f"2026-01-0{day}") for day in (5, 6, 7)),
        *((source, day) for source in ("s0", "s1") for day in (None, "2026-01-05", "2026-01-06", "2026-01-07")),
    ]


def test_a_source_that_moves_is_named_with_its_day(tmp_path: Path) -> None:
    before = write_verdicts(tmp_path / "before", days=4)
    report = measure(write_verdicts(tmp_path / "after", days=3, first=4, moved="s0"), before)
    alarms = {(each["source"], each["day"], each["feature"]) for each in report["moved"] if each["level"] == "alarm"}
    assert ("s0", "2026-01-07", "corrected") in alarms
    assert not [source for source, _, _ in alarms if source == "s1"]
    assert report["moved"][0]["level"] == "alarm"


def test_one_stream_is_split_by_time(tmp_path: Path) -> None:
    stream = write_verdicts(tmp_path / "stream", days=6)
    report = measure(stream, until=START + timedelta(days=4), since=START + timedelta(days=1))
    assert (report["reference"]["first_day"], report["reference"]["last_day"]) == ("2026-01-02", "2026-01-04")
    assert report["window"]["verdicts"] == 240


def test_every_feature_is_compared_and_a_source_not_with_its_own_name(tmp_path: Path) -> None:
    report = measure(write_verdicts(tmp_path / "stream", days=2), until=START + timedelta(days=1))
    whole, *parts = report["scopes"]
    assert set(whole["features"]) == set(TITLES)
    assert SOURCE not in next(part for part in parts if part["source"])["features"]
    assert report["shares"]["corrected"]["yes"] == [0.2, 0.2]
    assert KEYWORDS in report["shares"]


def test_a_new_source_is_unknown_until_the_reference_has_it(tmp_path: Path) -> None:
    report = measure(write_verdicts(tmp_path / "stream", days=2))
    levels = {cell["level"] for scope in report["scopes"] for cell in scope["features"].values()}
    assert levels == {"unknown"}
