import numpy as np
import pytest

from training.gate.bounds import measure_difference
from training.gate.demands import Demands
from training.gate.evidence import Fault
from training.gate.findings import Finding, build_row, demand_above, demand_at_most
from training.gate.table import Limit, RowName

EQUAL = measure_difference(np.ones(400), np.ones(400))
"""400 images on which both agree: the bounds are -.0067 and .0067"""


def build(finding: Finding, **demands: object) -> tuple[str, int, str]:
    row = build_row(RowName.GOLDEN, finding, Demands.model_validate(demands))
    return row.result, row.missing_images, row.detail


@pytest.mark.parametrize(
    ("limit", "result"),
    [
        (demand_above(-0.01), "passed"),
        (demand_above(-0.005), "failed"),
        (demand_above(0.0), "failed"),
        (demand_at_most(0.01), "passed"),
        (demand_at_most(0.005), "failed"),
    ],
)
def test_the_bound_decides_and_not_the_value(limit: Limit, result: str) -> None:
    assert build(Finding("Acc", limit, EQUAL))[0] == result


def test_a_row_with_too_few_images_says_how_many_are_missing() -> None:
    assert build(Finding("Acc", demand_above(-0.005), EQUAL)) == ("failed", 139, "")


def test_a_fault_fails_with_its_sentence() -> None:
    fault = Fault("there is no golden set; name one with --golden", 20)
    assert build(Finding("Acc", demand_above(0), fault=fault)) == ("failed", 20, fault.sentence)


def test_a_failed_row_is_waived_by_name_with_the_reason() -> None:
    finding = Finding("Acc", demand_above(-0.005), EQUAL, detail="p = 1")
    waived = build(finding, waive={"golden": "40 labels so far"})
    assert waived == ("waived", 139, "p = 1; waived: 40 labels so far")
    assert build(finding, waive={"base": "40 labels so far"})[0] == "failed", "another row"


def test_a_row_that_passes_needs_no_waiver() -> None:
    finding = Finding("Acc", demand_above(-0.01), EQUAL)
    assert build(finding, waive={"golden": "40 labels so far"}) == ("passed", 0, "")


def test_a_demand_about_nothing_holds() -> None:
    assert build(Finding("each large source", demand_above(0), is_void=True, detail="none")) == ("passed", 0, "none")


def test_a_counted_number_has_no_interval() -> None:
    row = build_row(RowName.MEMORY, Finding("bytes", demand_at_most(1.1), number=1.05), Demands())
    assert row.measured is not None
    assert (row.measured.value, row.measured.low, row.result) == (1.05, None, "passed")
