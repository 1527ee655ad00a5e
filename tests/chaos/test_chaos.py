"""A short round on real processes: no event is lost, whatever dies. `make chaos` runs longer ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import full_engine

SEED, EVENTS, KILLS = "12", 300, 2


def chaos(*options: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    # A process of its own: clients of a killed broker leave sockets behind, of which the interpreter would warn here.
    command = [sys.executable, "-W", "ignore", "-m", "tests.chaos", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_nothing_is_lost_in_a_short_round(delivery: str, tmp_path: Path) -> None:
    figures = tmp_path / "chaos.json"
    size = ("--events", str(EVENTS), "--kills", str(KILLS), "--seed", SEED)
    done = chaos(*size, "--delivery", delivery, "--json", str(figures), timeout_s=570)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(figures.read_text())
    assert (found["sent"], found["kills"], found["lost"]) == (EVENTS + full_engine.EVENTS, KILLS, 0)
    assert found["faults"].keys() >= {"verdicts_denied", "images_denied", "odd_timestamps", "full_engine_died"}
    assert found["dead_letters"] > 0, "some of what was sent cannot be judged"
    assert delivery == "at_least_once" or found["read_committed_repeats"] == 0
