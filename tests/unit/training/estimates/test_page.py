import json
from pathlib import Path

from tests.support.estimate_reports import build_report
from training.estimates.page import MOST_SOURCES, list_bars, list_heat_maps, write_page


def test_the_page_has_every_plot_and_its_json(tmp_path: Path) -> None:
    report = build_report()
    page = write_page(tmp_path / "out", report).read_text()
    for label in ("Reliability: share", "Accuracy by group", "P(generated), before and now"):
        assert f'aria-label="{label}' in page
    assert 'class="alarm"' in page
    assert "cases/&lt;odd&gt;.json" in page
    assert "<script" not in page
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_the_page_of_a_few_cases_says_what_is_missing(tmp_path: Path) -> None:
    page = write_page(tmp_path, {**build_report(10), "drift": None}).read_text()
    assert "Fewer than 30 decided cases" in page
    assert "20 more labels" in page


def test_drift_alone_is_a_page_too(tmp_path: Path) -> None:
    page = write_page(tmp_path, {**build_report(), "estimates": None, "bucket": None}).read_text()
    assert "Drift of verdicts" in page
    assert "Reliability" not in page


def test_heat_maps_are_of_all_traffic_and_of_the_largest_sources() -> None:
    drift = build_report()["drift"]
    maps = list_heat_maps(drift)
    assert [each["source"] for each in maps] == [None, "app", "web"]
    assert [scope["day"] for scope in maps[0]["days"]] == ["2026-01-06"]
    scopes = [{"source": f"s{number}", "day": None, "verdicts": number} for number in range(20)]
    assert len(list_heat_maps({"scopes": [*scopes, {"source": None, "day": None, "verdicts": 9}]})) == 1 + MOST_SOURCES


def test_bars_begin_with_the_largest_bin() -> None:
    bars = {each["feature"]: each for each in list_bars(build_report()["drift"])}
    assert bars["generated"]["bins"][0][0] == "no"
    assert bars["generated"]["most"] == 1
