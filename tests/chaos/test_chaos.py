"""A short round on real processes: no event is lost, whatever dies. `make chaos` runs longer ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.round import run

SEED = 12

pytestmark = [
    # Clients of a broker that was killed leave the sockets of refused connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.mark.timeout(240)
def test_nothing_is_lost_in_a_short_round(tmp_path: Path) -> None:
    report = run(tmp_path, seed=SEED, events=300, kills=2, say=print)
    assert report.broken == [], f"repeat it with: make chaos EVENTS=300 KILLS=2 SEED={SEED}"
    assert report.judgement.sent == 300
    assert report.judgement.dead_letters > 0, "some of what was sent cannot be judged"


def test_exactly_once_is_refused_until_it_exists() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--delivery", "exactly_once"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "chaos: the worker does not offer exactly_once yet; run with DELIVERY=at_least_once\n"
