"""Plugin of pytest: `--times` closes a run with its time by room of tests, its long pieces, and its slowest tests.

Setup and teardown count for the test that pays for them: a service that a whole run shares is in the time of the first
test that asks for it. Several workers of pytest-xdist send their times to the process that prints.
"""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.scheduling import find_group

SLOWEST = 20
LONG_S = 20


class Times:
    """Seconds of each test, by node id."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration  # type: ignore[assignment]  # typeshed counts in whole numbers

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.seconds:
            return
        tests, seconds = Counter(map(find_room, self.seconds)), sum_by(find_room, self.seconds)
        terminalreporter.section("time by room")
        for room, room_s in seconds.most_common():
            terminalreporter.write_line(f"{room_s:8.1f} s {tests[room]:6} tests  {room}")
        terminalreporter.write_line(f"{sum(seconds.values()):8.1f} s {tests.total():6} tests  all workers together")
        terminalreporter.section("long pieces of work, for tests/support/scheduling.py")
        for piece, piece_s in sum_by(find_group, self.seconds).most_common():
            if piece_s >= LONG_S:
                terminalreporter.write_line(f'    "{piece}": {piece_s:.0f},')
        terminalreporter.section(f"slowest {SLOWEST} tests")
        for test, test_s in self.seconds.most_common(SLOWEST):
            terminalreporter.write_line(f"{test_s:8.1f} s  {test}")


def find_room(nodeid: str) -> str:
    """Return the folder of the file that holds the test."""
    return nodeid.partition("::")[0].rpartition("/")[0]


def sum_by(find_part: Callable[[str], str], seconds: Counter[str]) -> Counter[str]:
    """Return the time of each part of the tests."""
    parts: Counter[str] = Counter()
    for test, test_s in seconds.items():
        parts[find_part(test)] += test_s
    return parts


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", action="store_true", help="close with the time by room and the slowest tests")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("times") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Times(), "times")
