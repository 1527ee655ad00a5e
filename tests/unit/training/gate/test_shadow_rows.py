from pathlib import Path

from tests.support.gate_evidence import build_model, mark
from training.gate.demands import Demands, find_changed_demands, resolve_demands
from training.gate.evidence import Evidence
from training.gate.findings import build_row
from training.gate.shadow_rows import judge_shadow
from training.gate.table import GateRow, RowName
from training.runs.run_file import read_run_file
from training.shadow.demand import ShadowDemand, ShadowEvidence

MODEL = build_model(golden=mark(4))
DEMANDED = Demands(shadow=ShadowDemand(hours=24, max_flips=0.02))


def judge(shadow: ShadowEvidence | None, demands: Demands = DEMANDED) -> GateRow:
    return build_row(RowName.SHADOW, judge_shadow(Evidence(MODEL, MODEL, shadow), demands), demands)


def test_few_flips_over_enough_hours_pass() -> None:
    row = judge(ShadowEvidence(events=10_000, flips=100, hours=24.5))
    assert row.measured is not None
    assert (row.result, row.measured.value, row.images) == ("passed", 0.01, 10_000)
    assert row.detail == "100 of 10000 events over 24.5 hours"


def test_too_few_events_are_counted_and_too_many_flips_are_not() -> None:
    few = judge(ShadowEvidence(events=100, flips=0, hours=24.5))
    assert (few.result, few.missing_images) == ("failed", 49)
    many = judge(ShadowEvidence(events=1000, flips=30, hours=24.5))
    assert (many.result, many.missing_images) == ("failed", 0)


def test_no_run_too_few_hours_and_another_revision_fail_with_their_reason() -> None:
    assert judge(None).detail == "there is no shadow run; name its report with --shadow"
    assert judge(ShadowEvidence(events=10_000, flips=0, hours=2.5)).detail == "both judged 2.5 hours of traffic"
    other = judge(ShadowEvidence(events=10_000, flips=0, hours=30, fault="it was about another"))
    assert (other.result, other.detail) == ("failed", "it was about another")


def test_without_a_demand_the_row_holds() -> None:
    assert judge(None, Demands()).result == "passed"


def test_a_configuration_demands_a_run(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text("shadow: {hours: 12, max_flips: .05}\n")
    profile, demands = resolve_demands(file=read_run_file(path, ("production", "demo")))
    assert demands.shadow == ShadowDemand(hours=12, max_flips=0.05)
    assert find_changed_demands(profile, demands) == {"shadow": {"hours": 12.0, "max_flips": 0.05}}
