"""The gate's judgement: every row of the table, from the evidence and the demands alone. Pure."""

from collections.abc import Callable, Mapping
from functools import partial

from training.gate import accuracy_rows, answer_rows, cost_rows, shadow_rows
from training.gate.demands import Demands
from training.gate.evidence import Evidence
from training.gate.findings import Finding, build_row
from training.gate.table import GateRow, RowName

ROWS: Mapping[RowName, Callable[[Evidence, Demands], Finding]] = {
    RowName.GOLDEN: accuracy_rows.judge_golden,
    RowName.FPR: accuracy_rows.judge_fpr,
    RowName.FPR_BY_SOURCE: accuracy_rows.judge_fpr_by_source,
    RowName.NEW_KINDS: accuracy_rows.judge_new_kinds,
    RowName.BASE: accuracy_rows.judge_base,
    **{row: partial(accuracy_rows.judge_perturbed, row=row) for row in accuracy_rows.PERTURBED},
    RowName.RANDOM_BOXES: answer_rows.judge_random_boxes,
    RowName.C_ACC: answer_rows.judge_c_acc,
    RowName.IOU: answer_rows.judge_iou,
    RowName.BLEU2: answer_rows.judge_bleu2,
    RowName.UNPARSED: answer_rows.judge_unparsed,
    RowName.ECE: answer_rows.judge_ece,
    RowName.BRIER: answer_rows.judge_brier,
    RowName.OVERLAY: accuracy_rows.judge_overlay,
    RowName.LATENCY: cost_rows.judge_latency,
    RowName.MEMORY: cost_rows.judge_memory,
    RowName.SHADOW: shadow_rows.judge_shadow,
}


def judge_challenger(evidence: Evidence, demands: Demands) -> list[GateRow]:
    """Return every row, in the order of the table."""
    return [build_row(name, find(evidence, demands), demands) for name, find in ROWS.items()]
