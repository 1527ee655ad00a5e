"""The night's report, a page and JSON, written anew while the night runs: what came in, each step, the gate, the gains.

A failure to write it ends no night: the last step's own result is what counts.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.common.progress import format_duration
from training.common.whole_file import write_whole
from training.evaluation.summary import Json
from training.reports import page
from training.retraining.news import News
from training.retraining.places import NightPlaces
from training.retraining.steps import Step, StepResult, read_step_result

TEMPLATE = "night.html.jinja"
EVERY_S = 5.0
"""between two versions of the report while a step runs"""
REFRESH_S = 10


class NightReport:
    """Watches the steps of a night and writes the report of them into the night's directory."""

    def __init__(
        self,
        places: NightPlaces,
        revisions: Mapping[str, str],
        news: News,
        notify: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = places.directory
        self._earlier = find_earlier_seconds(places)
        self._notify = notify
        self._clock = clock
        self._began = self._step_began = clock()
        self._written = -EVERY_S
        self._results: dict[str, StepResult] = {}
        self._worked_s = 0.0
        self._steps: dict[str, dict[str, Any]] = {}
        self._numbers: Json = {
            "model": str(places.config.address),
            **revisions,
            "news": asdict(news),
            "began_at": _format_now(),
            "state": "running",
            "sentence": "",
            "now": "",
            "gate_page": None,
        }

    def plan(self, steps: Sequence[Step]) -> None:
        """Take note of the steps to come."""
        self._steps = {
            step.name: {"name": step.name, "title": step.title, "state": "waiting", "seconds": None, "sentence": ""}
            for step in steps
        }
        self._write()

    def begin(self, step: Step) -> None:
        self._step_began = self._clock()
        self._steps[step.name]["state"] = "running"
        left = self._estimate_left()
        self._notify(f"{step.title} begins{f'; about {format_duration(left)} left' if left is not None else ''}")
        self._write()

    def show_line(self, line: str) -> None:
        """Show a line that the running step's command printed."""
        print(line, file=sys.stderr, flush=True)
        self._numbers["now"] = line
        if self._clock() - self._written >= EVERY_S:
            self._write()

    def end(self, step: Step, result: StepResult) -> None:
        is_new = self._steps[step.name]["state"] == "running"
        self._worked_s += self._clock() - self._step_began if is_new else 0.0
        self._results[step.name] = result
        self._steps[step.name] |= {"state": "done", "seconds": result.seconds, "sentence": result.sentence}
        self._numbers["now"] = ""
        took = format_duration(result.seconds) if is_new else "done before"
        self._notify(f"{step.title} ({took}): {result.sentence}")
        self._write()

    def fail(self, step: Step, sentence: str) -> None:
        self._steps[step.name] |= {"state": "failed", "sentence": sentence}
        self._numbers |= {"state": "failed", "sentence": sentence}
        self._write()

    def conclude(self, sentence: str) -> None:
        self._numbers |= {"state": "ended", "sentence": sentence}
        self._write()

    def _estimate_left(self) -> float | None:
        """Return the seconds left, from those of an earlier night; None without one, or with other steps."""
        open_steps = [name for name, step in self._steps.items() if step["state"] in ("waiting", "running")]
        if any(name not in self._earlier for name in open_steps):
            return None
        running = any(step["state"] == "running" for step in self._steps.values())
        spent = self._clock() - self._step_began if running else 0.0
        return max(0.0, sum(self._earlier[name] for name in open_steps) - spent)

    def _build(self) -> Json:
        values = {name: result.values for name, result in self._results.items()}
        seconds = sum(result.seconds for result in self._results.values())
        running = self._clock() - self._step_began if self._numbers["state"] == "running" else 0.0
        return {
            **self._numbers,
            "updated_at": _format_now(),
            "seconds": round(seconds + running, 1),
            # All that is no step: opening, the report itself, and the way from step to step.
            "orchestration_s": round(self._clock() - self._began - self._worked_s - running, 2),
            "left_s": self._estimate_left() if self._numbers["state"] == "running" else None,
            "steps": list(self._steps.values()),
            "new": values.get("snapshot", {}).get("new", []),
            "stages": values.get("gains", {}).get("stages", []),
            "gate": values.get("gate", {}).get("table"),
            "gate_page": "gate/report.html" if "gate" in values else None,
        }

    def _write(self) -> None:
        self._written = self._clock()
        numbers = self._build()
        with suppress(OSError):
            html = page.render_page(TEMPLATE, numbers, refresh_s=REFRESH_S, format_duration=format_duration)
            for name, text in ((page.HTML_NAME, html), (page.JSON_NAME, page.format_json(numbers))):
                with write_whole(self._directory / name) as unfinished:
                    unfinished.write_text(text)


def find_earlier_seconds(places: NightPlaces) -> dict[str, float]:
    """Return the seconds of each step in the newest other night that has them."""
    nights = [path for path in places.config.work.glob("*/steps") if path.parent != places.directory]
    seconds: dict[str, float] = {}
    for folder in sorted(nights, key=lambda path: path.stat().st_mtime):
        for path in folder.glob("*.json"):
            if result := read_step_result(folder.parent, path.stem):
                seconds[path.stem] = result.seconds
    return seconds


def locate_report(directory: Path) -> Path:
    """Return the page of a night."""
    return directory / page.HTML_NAME


def _format_now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
