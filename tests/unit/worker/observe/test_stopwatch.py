from itertools import count

import pytest

from pipeline.errors import ImageMissing
from worker.observe.stopwatch import Stopwatch
from worker.observe.telemetry import Metrics, Tracing


@pytest.fixture
def watch() -> Stopwatch:
    ticks = count()
    return Stopwatch(Metrics(), Tracing("worker", "group"), lambda: float(next(ticks)), queued_s=10.0)


def test_seconds_are_kept_by_stage(watch: Stopwatch) -> None:
    with watch.time_stage("fetch"):
        pass
    with watch.time_stage("decode"):
        pass
    assert watch.read_timing_s() == {"queued": 10.0, "fetch": 1.0, "decode": 1.0, "total": 15.0}


def test_an_error_learns_the_innermost_stage_and_its_time_counts(watch: Stopwatch) -> None:
    with pytest.raises(ImageMissing) as caught, watch.time_stage("outer"), watch.time_stage("fetch"):
        raise ImageMissing("gone")
    assert caught.value.stage == "fetch"
    assert watch.read_timing_s().keys() == {"queued", "outer", "fetch", "total"}


def test_the_last_stage_that_began_is_known_between_two_stages(watch: Stopwatch) -> None:
    assert watch.stage == "parse"
    with watch.time_stage("decode"):
        assert watch.stage == "decode"
    assert watch.stage == "decode"
