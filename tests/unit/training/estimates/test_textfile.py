from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.estimate_reports import build_report
from training.estimates.textfile import write_textfile
from training.evaluation.summary import Json


def read_samples(report: Json, path: Path) -> dict[tuple[str, ...], float]:
    write_textfile(path, report)
    families = text_string_to_metric_families(path.read_text())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_estimates_and_drift_are_metrics(tmp_path: Path) -> None:
    report = build_report()
    samples = read_samples(report, tmp_path / "textfile" / "zoomin.prom")
    accuracy = report["estimates"]["quantities"]["accuracy"]
    assert samples["zoomin_estimate_value", "all", "accuracy"] == accuracy["value"]
    assert samples["zoomin_estimate_low", "all", "accuracy"] == accuracy["low"]
    assert samples["zoomin_estimate_value", "web", "accuracy"] > 0
    assert samples["zoomin_estimate_cases", "agreed"] == 120
    assert samples["zoomin_estimate_response_ratio",] == 1
    assert samples["zoomin_drift_level", "p_generated", "web"] == 2
    assert samples["zoomin_drift_level", "p_generated", "app"] == 0
    assert samples["zoomin_drift_skipped_lines",] == 2
    assert list(tmp_path.joinpath("textfile").iterdir()) == [tmp_path / "textfile" / "zoomin.prom"]


def test_a_quantity_without_a_number_has_no_sample(tmp_path: Path) -> None:
    samples = read_samples({**build_report(10), "drift": None, "by": None}, tmp_path / "zoomin.prom")
    assert ("zoomin_estimate_value", "all", "accuracy") not in samples
    assert samples["zoomin_estimate_labeled_cases", "all", "accuracy"] == 10
    assert not [name for name, *_ in samples if name.startswith("zoomin_drift_psi")]


def test_a_source_of_the_name_all_replaces_no_total(tmp_path: Path) -> None:
    """Senders name sources."""
    report = build_report()
    for scope in report["drift"]["scopes"]:
        scope["source"] = "all" if scope["source"] == "web" else scope["source"]
    sources = report["estimates"]["groups"]["source"]
    sources["all"] = sources.pop("web")
    samples = read_samples(report, tmp_path / "zoomin.prom")
    accuracy, total = report["estimates"]["quantities"]["accuracy"], report["drift"]["scopes"][0]
    assert samples["zoomin_estimate_labeled_cases", "all", "accuracy"] == accuracy["n"]
    assert samples["zoomin_drift_psi", "p_generated", "all"] == total["features"]["p_generated"]["psi"]
    named = sources["all"]["quantities"]["accuracy"]["n"]
    assert samples["zoomin_estimate_labeled_cases", "all (source)", "accuracy"] == named < accuracy["n"]
