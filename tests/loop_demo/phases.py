"""The phases of a loop: each writes its result, so a demo that was stopped goes on with the phase that it was in."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PhaseResult = Mapping[str, Any]
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of the loop; `expected_s` is what it takes on two quiet cores."""

    name: str
    sentence: str
    expected_s: float
    run: Callable[[], PhaseResult]


class PhaseJournal:
    """Results by phase, in `directory`; `began_at`, `ended_at` (seconds since 1970) and `seconds` are added to each."""

    def __init__(self, directory: Path, notify: Notify, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._notify = notify
        self._clock = clock
        directory.mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> PhaseResult | None:
        """Return the result of a phase that has ended."""
        file = self._locate(name)
        if not file.exists():
            return None
        result: PhaseResult = json.loads(file.read_text())
        return result

    def run(self, phases: list[Phase]) -> dict[str, PhaseResult]:
        """Run the phases that have no result yet, in their order; return the results of all."""
        results: dict[str, PhaseResult] = {}
        for number, phase in enumerate(phases):
            found = self.read(phase.name)
            if found is None:
                left_s = sum(later.expected_s for later in phases[number:] if self.read(later.name) is None)
                self._notify(f"{phase.sentence} (about {left_s / 60:.0f} min left)")
                found = self._run(phase)
            results[phase.name] = found
        return results

    def _run(self, phase: Phase) -> PhaseResult:
        """Run a phase and write its result in one piece; seconds of an interrupted try do not count."""
        began_at = self._clock()
        result = dict(phase.run())
        ended_at = self._clock()
        timed = {**result, "began_at": began_at, "ended_at": ended_at, "seconds": round(ended_at - began_at, 1)}
        unfinished = self._locate(phase.name).with_suffix(".unfinished")
        unfinished.write_text(json.dumps(timed, indent=2) + "\n")
        unfinished.replace(self._locate(phase.name))
        return timed

    def _locate(self, name: str) -> Path:
        return self._directory / f"{name}.json"
