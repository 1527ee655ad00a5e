import argparse
import itertools

import pytest

from worker.cli.sending import RateLimiter, parse_limit, parse_rate


class Clock:
    def __init__(self):
        self.now = 100.0
        self.slept = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += seconds


def test_a_pace_spreads_evenly():
    clock = Clock()
    pace = RateLimiter(10, clock=clock, sleep=clock.sleep)
    starts = []
    for _ in range(21):
        pace.wait()
        starts.append(clock.now)
    assert starts[-1] - starts[0] == pytest.approx(2.0)
    assert max(b - a for a, b in itertools.pairwise(starts)) == pytest.approx(0.1)


def test_a_delay_is_made_up_for_by_a_seconds_worth_at_most():
    clock = Clock()
    pace = RateLimiter(10, clock=clock, sleep=clock.sleep)
    pace.wait()
    clock.now += 60
    sent_at_once = 0
    while clock.slept == 0:
        pace.wait()
        sent_at_once += 1
    assert sent_at_once <= 12


def test_no_rate_never_waits():
    clock = Clock()
    pace = RateLimiter(None, clock=clock, sleep=clock.sleep)
    for _ in range(1000):
        pace.wait()
    assert clock.slept == 0


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan"])
def test_rates_are_positive_and_finite(text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0", "-1"])
def test_a_limit_is_at_least_one(text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse_limit(text)
