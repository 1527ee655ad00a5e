import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import BadSettings
from tests.support.shadow_pools import CHALLENGER, CHAMPION
from training.evaluation.summary import Json
from training.shadow.demand import ShadowDemand, ShadowEvidence, read_shadow_evidence


def build_report(**changes: object) -> Json:
    return {
        "hours": 30.5,
        "flips": {"value": 0.03, "low": 0.0, "high": 0.1, "n": 100, "to_generated": 2, "to_real": 1},
        "pools": {"champion": {"revision": CHAMPION}, "challenger": {"revision": CHALLENGER}},
        **changes,
    }


def read(directory: Path, report: Json, **revisions: str) -> ShadowEvidence:
    (directory / "report.json").write_text(json.dumps(report))
    return read_shadow_evidence(directory, **{"champion": CHAMPION, "challenger": CHALLENGER, **revisions})


def test_a_report_is_read_from_its_directory_or_its_file(tmp_path: Path) -> None:
    assert read(tmp_path, build_report()) == ShadowEvidence(events=100, flips=3, hours=30.5)
    evidence = read_shadow_evidence(tmp_path / "report.json", champion=CHAMPION, challenger=CHALLENGER)
    assert evidence == ShadowEvidence(events=100, flips=3, hours=30.5)


def test_a_report_about_other_revisions_is_named(tmp_path: Path) -> None:
    fault = read(tmp_path, build_report(), challenger="sha256:other").fault
    assert fault == f"the shadow run was about the challenger {CHALLENGER}, not about sha256:other"


@pytest.mark.parametrize(
    "report",
    [
        {},
        build_report(flips={"n": 0, "to_generated": 0, "to_real": 0}),
        build_report(hours="many"),
        build_report(pools={"champion": {"revision": CHAMPION}}),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, report: Json) -> None:
    with pytest.raises(BadSettings, match=r"report\.json is no report of `zoomin-train shadow`"):
        read(tmp_path, report)


def test_a_missing_report_and_broken_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("{")
    for path in (tmp_path, tmp_path / "broken"):
        with pytest.raises(BadSettings, match="no report of"):
            read_shadow_evidence(path, champion=CHAMPION, challenger=CHALLENGER)


@pytest.mark.parametrize("changes", [{"hours": 0}, {"max_flips": 0}, {"max_flips": 1.0}, {"max_flip": 0.1}])
def test_a_demand_that_cannot_be_meant_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        ShadowDemand.model_validate(changes)
