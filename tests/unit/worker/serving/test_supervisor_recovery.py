"""The supervisor with 384 events in flight on an engine that takes a GPU's time, in virtual time."""

import pytest

from tests.support.recovery import IN_FLIGHT, Recovery, build_bar_s, measure_recovery
from tests.support.virtual_time import run_in_virtual_time

LATE = 100
"""token at which the engine dies: no probe comes so far"""


def recover(*deadly_places: int, restart_s: float = 30.0, restarts: int = 3, fatal_token: int = 0) -> Recovery:
    return run_in_virtual_time(
        measure_recovery(restart_s=restart_s, restarts=restarts, deadly_places=deadly_places, fatal_token=fatal_token)
    )


@pytest.mark.parametrize("deadly_places", [(), (IN_FLIGHT - 1,)])
def test_the_rate_is_back_soon_after_a_death_and_poison_is_found_alone(deadly_places: tuple[int, ...]) -> None:
    recovery = recover(*deadly_places)
    assert recovery.recovered_s <= build_bar_s(restart_s=30.0)
    assert (len(recovery.poison), recovery.unlucky) == (len(deadly_places), [])
    assert recovery.deaths == 1 + len(deadly_places)


@pytest.mark.parametrize("case", [((100, 300), 0), ((200,), LATE)])
def test_two_poisons_and_one_that_acts_late_are_found_within_the_default_budget(
    case: tuple[tuple[int, ...], int],
) -> None:
    deadly_places, fatal_token = case
    recovery = recover(*deadly_places, restart_s=2.0, fatal_token=fatal_token)
    assert (len(recovery.poison), recovery.unlucky) == (len(deadly_places), [])
    assert recovery.deaths == 3


def test_with_one_restart_allowed_the_rate_comes_back_too() -> None:
    recovery = recover(restarts=1)
    assert recovery.recovered_s <= build_bar_s(restart_s=30.0)
    assert recovery.deaths == 1
