"""Plugin of pytest: each process saves its coverage when its tests end.

pytest-xdist kills a worker that takes more than ten seconds to exit, and coverage saves at the end of the exit: after
engines and clients of servers have ended. A killed worker loses all that it measured.
"""

from coverage import Coverage


def pytest_sessionfinish() -> None:
    if (coverage := Coverage.current()) is not None:
        coverage.save()
