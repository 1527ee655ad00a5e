import pytest

from pipeline.errors import BadSettings
from training.common.machine import Gpus
from training.dry_run import fitting
from training.dry_run.fitting import AS_ASKED, Changes
from training.dry_run.launch import Launch
from training.dry_run.step_memory import MemoryPlan, RunMemory

GPUS = Gpus(8, 100, 1000)
HOST = MemoryPlan({"load": {"weights": 900}})
LAUNCHES = [Launch(8), Launch(8, "sharded")]


def estimate(changes: Changes, launch: Launch) -> RunMemory:
    if changes.get("broken"):
        raise BadSettings("these values cannot work")
    size = 400 if changes == AS_ASKED else 120
    return RunMemory(MemoryPlan({"step": {"weights": size // launch.shards + 60}}), HOST)


def test_the_first_launch_that_fits_is_chosen() -> None:
    ways = fitting.try_launches(lambda *_: RunMemory(MemoryPlan({"step": {"weights": 95}}), HOST), AS_ASKED, LAUNCHES)
    assert fitting.choose_fit(ways, GPUS).launch == LAUNCHES[0]
    assert all(way.fits(GPUS) for way in ways)


def test_a_machine_that_is_too_small_fits_nothing() -> None:
    small = Gpus(8, 100, 940)
    assert fitting.find_fit(estimate, [{"trained": "lora"}], LAUNCHES, GPUS) is not None
    assert fitting.find_fit(estimate, [{"trained": "lora"}], LAUNCHES, small) is None


def test_where_none_fits_the_closest_is_chosen() -> None:
    way = fitting.choose_fit(fitting.try_launches(estimate, AS_ASKED, LAUNCHES), GPUS)
    assert way.launch == LAUNCHES[1]
    assert not way.fits(GPUS)


def test_the_first_change_that_fits_is_found_and_broken_ones_are_passed_over() -> None:
    way = fitting.find_fit(estimate, [AS_ASKED, {"broken": 1}, {"trained": "lora"}], LAUNCHES, GPUS)
    assert way is not None
    assert (way.changes, way.launch) == ({"trained": "lora"}, LAUNCHES[1])
    assert fitting.find_fit(estimate, [AS_ASKED], LAUNCHES, GPUS) is None


def test_values_that_work_in_no_launch_are_refused() -> None:
    with pytest.raises(BadSettings, match="cannot work"):
        fitting.try_launches(estimate, {"broken": 1}, LAUNCHES)
