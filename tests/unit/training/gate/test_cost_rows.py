from dataclasses import replace

import pytest

from tests.support.gate_evidence import build_model, mark
from training.gate import cost_rows
from training.gate.demands import Demands
from training.gate.evidence import Evidence
from training.gate.findings import build_row
from training.gate.table import GateRow, RowName

MODEL = replace(build_model(golden=mark(4)), latencies_s=[0.2 + number % 7 / 10 for number in range(50)])


def judge_latency(*latencies: float | None) -> GateRow:
    evidence = Evidence(MODEL, replace(MODEL, latencies_s=latencies))
    return build_row(RowName.LATENCY, cost_rows.judge_latency(evidence, Demands()), Demands())


def scale(factor: float) -> list[float]:
    return [seconds * factor for seconds in MODEL.latencies_s if seconds]


@pytest.mark.parametrize(("factor", "result"), [(0.7, "passed"), (1.0, "passed"), (1.05, "passed"), (1.2, "failed")])
def test_latency_is_a_factor_over_the_same_images(factor: float, result: str) -> None:
    row = judge_latency(*scale(factor))
    assert row.measured is not None
    assert (row.result, row.measured.value, row.images) == (result, pytest.approx(factor), 50)


def test_one_slow_moment_decides_nothing() -> None:
    assert judge_latency(*scale(1.0)[:-1], 20.0).result == "passed"


def test_an_unreadable_image_is_left_out_for_both() -> None:
    assert judge_latency(None, *scale(1.0)[1:]).images == 49
    row = judge_latency(*[None] * 50)
    assert (row.result, row.detail) == ("failed", "no image was timed; name a golden set with --golden")


@pytest.mark.parametrize(("factor", "result"), [(0.5, "passed"), (1.0, "passed"), (1.5, "failed")])
def test_memory_is_counted(factor: float, result: str) -> None:
    evidence = Evidence(MODEL, replace(MODEL, memory_bytes=round(MODEL.memory_bytes * factor)))
    row = build_row(RowName.MEMORY, cost_rows.judge_memory(evidence, Demands()), Demands())
    assert row.result == result
    assert row.measured is not None
    assert (row.measured.value, row.measured.low) == (factor, None)
    assert row.detail.startswith("champion 300 MiB, challenger ")
