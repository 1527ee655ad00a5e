import pytest

from training.paper import reported, table_1
from training.paper.reported import ReportedRow

TWO_TURN = [
    (name, size) for name, sizes in reported.TABLE_1.items() for size, row in sizes.items() if row.c_acc is not None
]


def test_every_row_of_table_1_has_its_paper_figures() -> None:
    assert reported.TABLE_1.keys() == table_1.TITLES.keys()


@pytest.mark.parametrize(("name", "size"), TWO_TURN)
def test_the_paper_s_two_turn_rows_hold_the_identity(name: str, size: str) -> None:
    row: ReportedRow = reported.TABLE_1[name][size]
    assert row.i_acc is not None
    assert row.c_acc is not None
    assert row.c_cases is not None
    assert row.acc == pytest.approx(row.i_acc + row.c_cases * (2 * row.c_acc - 1), abs=0.0006)


def test_the_own_set_of_table_2_is_table_1_s() -> None:
    for size, row in reported.TABLE_1["two_turn"].items():
        assert reported.TABLE_2["magnifake"][size] == row.acc
