"""Waits that end with silence, and what their failure names."""

from pathlib import Path

import pytest

from tests.chaos.progress import LOOK_EVERY_S, describe_unanswered, reaches, read_log_ends


class Course:
    """Time that passes by waiting alone, and a count that rises at some moments."""

    def __init__(self, *rises_at_s: float) -> None:
        self.now_s = 0.0
        self._rises_at_s = rises_at_s

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def measure(self) -> int:
        return sum(at_s <= self.now_s for at_s in self._rises_at_s)


@pytest.mark.parametrize(
    ("course", "is_reached"),
    [(Course(0, 0, 0), True), (Course(50, 100, 150), True), (Course(50, 111, 150), False)],
    ids=["from-the-start", "slowly", "silent-in-between"],
)
def test_slow_progress_is_waited_for_and_silence_is_not(course: Course, is_reached: bool) -> None:
    assert reaches(course.measure, 3, silence_s=60, clock=course.clock, sleep=course.sleep) is is_reached


def test_silence_is_counted_from_the_last_progress() -> None:
    course = Course(10)
    assert not reaches(course.measure, 2, silence_s=60, clock=course.clock, sleep=course.sleep)
    assert course.now_s == pytest.approx(70, abs=2 * LOOK_EVERY_S)


def test_each_partition_is_named_with_what_it_lacks() -> None:
    places = [(partition, offset) for partition in (0, 1) for offset in range(4)]
    assert describe_unanswered(places, [(1, 3), (1, 2)]) == (
        "partition 0 lacks 0 of 4, partition 1 lacks 2 of 4 from offset 2 on"
    )


def test_the_end_of_each_log_is_shown(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"worker-{number}.log").write_text("start\n" + "x" * 5000 + f"\nlast of {number}\n")
    (tmp_path / "broker.log").write_text("another's")
    ends = read_log_ends(tmp_path)
    assert ["last of 1" in ends, "last of 2" in ends, "start" in ends, "another's" in ends] == [
        True,
        True,
        False,
        False,
    ]
