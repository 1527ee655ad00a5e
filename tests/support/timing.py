"""Plugin of pytest: `--times` closes a run with its time by room of tests and its twenty slowest tests.

Setup and teardown count for the test that pays for them: a service that a whole run shares is in the time of the first
test that asks for it. Several workers of pytest-xdist send their times to the process that prints.
"""

from collections import Counter

import pytest

SLOWEST = 20


class Times:
    """Seconds of each test, by node id."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration  # type: ignore[assignment]  # typeshed counts in whole numbers

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.seconds:
            return
        tests, seconds = Counter(map(find_room, self.seconds)), sum_by_room(self.seconds)
        terminalreporter.section("time by room")
        for room, room_s in sorted(seconds.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{room_s:8.1f} s {tests[room]:6} tests  {room}")
        terminalreporter.write_line(f"{sum(seconds.values()):8.1f} s {tests.total():6} tests  all workers together")
        terminalreporter.section(f"slowest {SLOWEST} tests")
        for test, test_s in self.seconds.most_common(SLOWEST):
            terminalreporter.write_line(f"{test_s:8.1f} s  {test}")


def find_room(nodeid: str) -> str:
    """Return the folder of the file that holds the test."""
    return nodeid.partition("::")[0].rpartition("/")[0]


def sum_by_room(seconds: Counter[str]) -> dict[str, float]:
    rooms: dict[str, float] = {}
    for test, test_s in seconds.items():
        room = find_room(test)
        rooms[room] = rooms.get(room, 0.0) + test_s
    return rooms


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", action="store_true", help="close with the time by room and the slowest tests")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("times") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Times(), "times")
