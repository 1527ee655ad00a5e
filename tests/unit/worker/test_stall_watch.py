from worker.stall_watch import STALLED_AFTER_S, StallWatch

EVERY_S = 5.0
BEHIND = {0: 1}


def look_until(watch: StallWatch, begin_s: float, end_s: float) -> list[int]:
    now, stalled = begin_s, []
    while now < end_s:
        stalled = watch.look({0}, BEHIND, now)
        now += EVERY_S
    return stalled


def test_a_partition_that_is_readable_and_behind_at_every_look_is_stalled() -> None:
    watch = StallWatch()
    assert look_until(watch, 0.0, STALLED_AFTER_S) == []
    assert watch.look({0}, BEHIND, STALLED_AFTER_S) == [0]


def test_one_look_that_finds_it_otherwise_starts_the_time_anew() -> None:
    for readable, lag in ((set[int](), BEHIND), ({0}, {0: 0}), ({0}, dict[int, int]()), ({1}, BEHIND)):
        watch = StallWatch()
        look_until(watch, 0.0, STALLED_AFTER_S)
        assert watch.look(readable, lag, STALLED_AFTER_S) == []
        assert look_until(watch, STALLED_AFTER_S + EVERY_S, 2 * STALLED_AFTER_S) == []


def test_a_record_or_a_new_assignment_starts_the_time_anew() -> None:
    watch = StallWatch()
    look_until(watch, 0.0, STALLED_AFTER_S)
    watch.reset(0)
    assert watch.look({0}, BEHIND, STALLED_AFTER_S) == []


def test_each_partition_has_a_time_of_its_own() -> None:
    watch, both = StallWatch(), {0: 1, 1: 1}
    watch.look({0}, both, 0.0)
    watch.look({0, 1}, both, EVERY_S)
    assert watch.look({0, 1}, both, STALLED_AFTER_S) == [0]
    assert watch.look({0, 1}, both, STALLED_AFTER_S + EVERY_S) == [0, 1]
