from training.runs import budget


def test_a_budget_ends_by_steps_or_by_time() -> None:
    limits = budget.Budget(steps=100, seconds=60)
    assert limits.measure_progress(50, 6) == 0.5
    assert limits.measure_progress(1, 45) == 0.75


def test_the_clock_counts_earlier_runs() -> None:
    now = [100.0]
    clock = budget.Clock(20, now=lambda: now[0])
    now[0] = 103
    assert clock.elapsed_s == 23
