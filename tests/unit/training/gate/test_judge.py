from tests.support.gate_evidence import build_model, mark
from training.gate.demands import DEMANDS, Demands
from training.gate.evidence import Evidence
from training.gate.judge import ROWS, judge_challenger
from training.gate.table import RowName

RIGHTS = mark(400, range(20))


def list_failed(evidence: Evidence, demands: Demands) -> list[RowName]:
    return [row.name for row in judge_challenger(evidence, demands) if row.result == "failed"]


def test_every_row_is_judged_in_the_order_of_the_table() -> None:
    assert list(ROWS) == list(RowName)


def test_a_model_against_itself_fails_for_the_new_kinds_alone() -> None:
    """It is as good as the champion everywhere, and nothing is gained by a change of models."""
    model = build_model(golden=RIGHTS, base=RIGHTS, new=RIGHTS)
    assert list_failed(Evidence(model, model), DEMANDS["demo"]) == [RowName.NEW_KINDS]


def test_a_model_that_learned_the_new_kinds_passes() -> None:
    champion = build_model(golden=RIGHTS, base=RIGHTS, new=mark(400, range(140)))
    challenger = build_model(golden=RIGHTS, base=RIGHTS, new=mark(400, range(30)))
    assert list_failed(Evidence(champion, challenger), DEMANDS["demo"]) == []


def test_a_model_that_forgot_the_old_for_the_new_is_refused() -> None:
    champion = build_model(golden=RIGHTS, base=RIGHTS, new=mark(400, range(140)))
    challenger = build_model(golden=RIGHTS, base=mark(400, range(80)), new=mark(400, range(30)))
    failed = list_failed(Evidence(champion, challenger), DEMANDS["demo"])
    assert RowName.BASE in failed
    assert RowName.GOLDEN not in failed
    assert RowName.NEW_KINDS not in failed
