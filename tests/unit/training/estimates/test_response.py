import numpy as np
import pytest

from training.estimates.response import compute_weights


def test_labeled_cases_stand_for_the_pending_ones_of_their_cell() -> None:
    """Annotators looked at all of `control` and at half of `corrected`."""
    cells = np.array([0] * 10 + [1] * 20)
    looked_at = np.array([True] * 10 + [True, False] * 10)
    weights = compute_weights(np.array([0.1] * 10 + [0.5] * 20), looked_at, [cells, np.zeros(30, int)])
    assert weights[:10] == pytest.approx(10)
    assert weights[10::2] == pytest.approx(4)
    assert (weights[11::2] == 0).all()


def test_the_weights_add_up_to_the_traffic_also_where_cells_are_joined() -> None:
    cells = np.array([0] * 10 + [1] * 3 + [2] * 4)
    coarse = np.array([0] * 10 + [1] * 7)
    looked_at = np.array([True] * 10 + [True, False, True] + [True, True, True, False])
    inclusion = np.linspace(0.1, 0.9, 17)
    weights = compute_weights(inclusion, looked_at, [cells, coarse, np.zeros(17, int)])
    assert weights[10:].sum() == pytest.approx((1 / inclusion[10:]).sum())
    assert weights.sum() == pytest.approx((1 / inclusion).sum())


def test_nobody_looked_at_anything() -> None:
    weights = compute_weights(np.full(4, 0.5), np.zeros(4, bool), [np.zeros(4, int)])
    assert weights.tolist() == [0, 0, 0, 0]
    assert compute_weights(np.zeros(0), np.zeros(0, bool), [np.zeros(0, int)]).tolist() == []


def test_the_estimate_is_unbiased_although_annotators_look_at_hard_cases_first() -> None:
    rng = np.random.default_rng(0)
    estimates = []
    for _ in range(300):
        hard = rng.random(800) < 0.3
        wrong = rng.random(800) < np.where(hard, 0.4, 0.05)
        inclusion = np.where(hard, 0.8, 0.2)
        drawn = rng.random(800) < inclusion
        looked_at = rng.random(800) < np.where(hard, 0.9, 0.3)
        cells = hard.astype(int)
        weights = compute_weights(inclusion[drawn], looked_at[drawn], [cells[drawn], np.zeros(drawn.sum(), int)])
        estimates.append((weights @ wrong[drawn]) / weights.sum() - wrong.mean())
    assert abs(np.mean(estimates)) < 4 * np.std(estimates) / np.sqrt(300)
