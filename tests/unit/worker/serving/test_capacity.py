from pipeline.machine import count_cores, read_memory_bytes
from worker.common.sections import FlowSettings
from worker.serving.capacity import CapacityPlan, plan_capacity


def test_settings_are_taken_as_they_are() -> None:
    settings = FlowSettings(
        decoders=9, max_in_flight=20, max_bytes_in_flight=5_000_000, max_pixels_in_flight=100_000_000
    )
    assert plan_capacity(settings) == CapacityPlan(
        decoders=9, encoders=2, fetch_threads=20, max_bytes_in_flight=5_000_000, max_pixels_in_flight=100_000_000
    )


def test_fetches_at_once_have_room_for_the_largest_files() -> None:
    plan = plan_capacity(FlowSettings(max_in_flight=20, max_bytes_in_flight=5_000_000))
    assert plan.limit_fetch_threads(1_000_000) == 5
    assert plan.limit_fetch_threads(10_000) == 20
    assert plan.limit_fetch_threads(50_000_000) == 1


def test_the_machine_decides_what_the_settings_leave_open() -> None:
    plan = plan_capacity(FlowSettings(max_in_flight=384))
    assert 1 <= plan.decoders <= count_cores()
    assert plan.encoders >= 1
    assert plan.fetch_threads == 64
    assert plan.max_bytes_in_flight + 4 * plan.max_pixels_in_flight <= read_memory_bytes() / 4
