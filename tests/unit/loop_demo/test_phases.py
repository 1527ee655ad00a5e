"""A demo that was stopped goes on with the phase that it was in."""

from pathlib import Path

import pytest

from tests.loop_demo.phases import Phase, PhaseJournal, PhaseResult


def test_a_phase_that_has_ended_is_not_run_again(tmp_path: Path) -> None:
    ran: list[str] = []
    sentences: list[str] = []

    def build(name: str, *, fails: bool = False) -> Phase:
        def run() -> PhaseResult:
            ran.append(name)
            if fails:
                raise KeyboardInterrupt
            return {"of": name}

        return Phase(name, f"Running {name}", 120, run)

    times = iter([10.0, 15.0, 20.0, 30.0, 34.0])
    journal = PhaseJournal(tmp_path, sentences.append, clock=lambda: next(times))
    with pytest.raises(KeyboardInterrupt):
        journal.run([build("first"), build("second", fails=True)])
    results = journal.run([build("first"), build("second")])
    assert ran == ["first", "second", "second"]
    assert results == {
        "first": {"of": "first", "began_at": 10.0, "ended_at": 15.0, "seconds": 5.0},
        "second": {"of": "second", "began_at": 30.0, "ended_at": 34.0, "seconds": 4.0},
    }
    assert sentences == [
        "Running first (about 4 min left)",
        "Running second (about 2 min left)",
        "Running second (about 2 min left)",
    ]
