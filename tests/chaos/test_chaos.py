"""A short round on real processes: no event is lost, whatever dies. `make chaos` runs longer ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SEED = "12"


def chaos(*options: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    # A process of its own: clients of a killed broker leave sockets behind, of which the interpreter would warn here.
    command = [sys.executable, "-W", "ignore", "-m", "tests.chaos", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


@pytest.mark.timeout(300)
def test_nothing_is_lost_in_a_short_round(tmp_path: Path) -> None:
    figures = tmp_path / "chaos.json"
    done = chaos("--events", "300", "--kills", "2", "--seed", SEED, "--json", str(figures), timeout_s=280)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(figures.read_text())
    assert (found["sent"], found["kills"], found["lost"]) == (300, 2, 0)
    assert found["dead_letters"] > 0, "some of what was sent cannot be judged"


def test_exactly_once_is_refused_until_it_exists() -> None:
    done = chaos("--delivery", "exactly_once", timeout_s=60)
    assert done.returncode == 2
    assert done.stderr == "chaos: the worker does not offer exactly_once yet; run with DELIVERY=at_least_once\n"
