import pytest

from pipeline.checkpoint import CheckpointCard
from pipeline.errors import BadSettings
from pipeline.machine import count_cores, read_memory_bytes
from worker.common.sections import FlowSettings
from worker.serving.capacity import CapacityPlan, plan_capacity, plan_kept_pixels

CARD = CheckpointCard()


def test_settings_are_taken_as_they_are() -> None:
    settings = FlowSettings(decoders=9, max_in_flight=20, max_bytes_in_flight=5_000_000)
    assert plan_capacity(settings) == CapacityPlan(
        decoders=9, encoders=2, fetch_threads=20, max_bytes_in_flight=5_000_000
    )


def test_fetches_at_once_have_room_for_the_largest_files() -> None:
    plan = plan_capacity(FlowSettings(max_in_flight=20, max_bytes_in_flight=5_000_000))
    assert plan.limit_fetch_threads(1_000_000) == 5
    assert plan.limit_fetch_threads(10_000) == 20
    assert plan.limit_fetch_threads(50_000_000) == 1


def test_the_machine_decides_what_the_settings_leave_open() -> None:
    settings = FlowSettings(max_in_flight=384)
    plan = plan_capacity(settings)
    assert 1 <= plan.decoders <= count_cores()
    assert plan.encoders >= 1
    assert plan.fetch_threads == 64
    assert plan.max_bytes_in_flight + 4 * plan_kept_pixels(settings, CARD) <= read_memory_bytes() / 4


def test_views_and_crops_of_all_events_in_flight_count_towards_the_pixels() -> None:
    settings = FlowSettings(max_in_flight=20, max_pixels_in_flight=100_000_000)
    assert plan_kept_pixels(settings, CARD) == 100_000_000 - 20 * (512 * 512 + 8 * 336 * 336)
    assert plan_kept_pixels(FlowSettings(max_in_flight=4096), CheckpointCard(scan_max_pixels=1 << 32)) == 0


def test_a_limit_that_holds_no_views_and_crops_is_refused() -> None:
    settings = FlowSettings(max_in_flight=48, max_pixels_in_flight=50_000_000)
    with pytest.raises(BadSettings, match=r"ZOOMIN_FLOW__MAX_PIXELS_IN_FLIGHT=50000000 .* 48 events, .* 55934976 pix"):
        plan_kept_pixels(settings, CARD)
