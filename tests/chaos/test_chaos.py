"""Short rounds on real processes: no event is lost, whatever dies. `make chaos` runs longer ones."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import full_engine
from tests.chaos.schedule import SWAPS

SEED, EVENTS, KILLS = "12", 300, 2


def chaos(*options: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    # A process of its own: clients of a killed broker leave sockets behind, of which the interpreter would warn here.
    command = [sys.executable, "-W", "ignore", "-m", "tests.chaos", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def run_round(tmp_path: Path, *options: str) -> dict[str, Any]:
    figures = tmp_path / "chaos.json"
    size = ("--events", str(EVENTS), "--kills", str(KILLS), "--seed", SEED)
    done = chaos(*size, *options, "--json", str(figures), timeout_s=570)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(figures.read_text())
    assert (found["sent"], found["kills"], found["lost"]) == (EVENTS + full_engine.EVENTS, KILLS, 0)
    assert found["faults"].keys() >= {"verdicts_denied", "images_denied", "odd_timestamps", "full_engine_died"}
    assert found["dead_letters"] > 0, "some of what was sent cannot be judged"
    return found


@pytest.mark.timeout(1200)
def test_nothing_is_lost_in_a_short_round(tmp_path: Path) -> None:
    assert run_round(tmp_path, "--delivery", "exactly_once")["read_committed_repeats"] == 0


@pytest.mark.timeout(1200)
def test_nothing_is_lost_or_judged_by_two_models_while_these_are_swapped(tmp_path: Path) -> None:
    found = run_round(tmp_path, "--delivery", "at_least_once", "--swaps")
    assert found["faults"].keys() >= set(SWAPS)
    assert found["swaps"].keys() == {"reload", "restart"}, "each way of a swap was taken"
    assert found["refused_models"].keys() >= {"files", "smoke"}
    assert found["mixed_revisions"] == 0
