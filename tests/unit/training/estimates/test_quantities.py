import numpy as np
import pytest

from training.estimates.quantities import ECE, MEANS, TITLES, Outcomes

# right and wrong verdicts of both kinds, then one that annotators could not decide
OUTCOMES = Outcomes(
    p_generated=np.array([0.9, 0.6, 0.2, 0.1, 0.1, 0.7]),
    generated=np.array([True, True, False, False, False, True]),
    uncertain=np.array([False, True, False, False, False, True]),
    blind=np.array([True, False, False, True, False, False]),
    truth=np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
    decided=np.array([True] * 5 + [False]),
)


@pytest.mark.parametrize(
    ("name", "value", "cases"),
    [
        ("prevalence", 2 / 5, 5),
        ("accuracy", 3 / 5, 5),
        ("false_positive_rate", 1 / 3, 3),
        ("false_negative_rate", 1 / 2, 2),
        ("precision", 1 / 2, 2),
        ("brier", (0.01 + 0.36 + 0.64 + 0.01 + 0.01) / 5, 5),
        ("certain", 4 / 6, 6),
        ("accuracy_certain", 3 / 4, 4),
        ("accuracy_blind", 1.0, 2),
        ("undecided", 1 / 6, 6),
    ],
)
def test_each_quantity_is_a_mean_over_its_own_cases(name: str, value: float, cases: int) -> None:
    (quantity,) = [each for each in MEANS if each.name == name]
    among = quantity.among(OUTCOMES)
    assert among.sum() == cases
    assert quantity.values(OUTCOMES)[among].mean() == pytest.approx(value)


def test_every_quantity_has_a_title() -> None:
    assert set(TITLES) == {quantity.name for quantity in MEANS} | {ECE}
