"""The work of each phase of a loop, by the commands that a user runs.

Every step may be run again after it was stopped halfway.
"""

from collections.abc import Sequence
from datetime import timedelta

from pipeline.errors import FatalError
from tests.loop_demo import measurement
from tests.loop_demo.labels import Labeling
from tests.loop_demo.live import LiveLoop
from tests.loop_demo.night import (
    BY,
    damage_weights,
    fetch_snapshot,
    locate_gate_config,
    promote,
    run_short_night,
    write_night_config,
)
from tests.loop_demo.phases import PhaseResult
from tests.loop_demo.plan import LoopDemoPlan
from tests.loop_demo.site import ADDRESS, LoopSite
from tests.support.paths import MODEL as FIRST_MODEL
from tests.support.processes.command_line import parse_last_line
from training.gate.table import GateTable

NIGHT_TIMEOUT_S = 3 * 3600.0
GATE_TIMEOUT_S = 3600.0
REJUDGED_S = 1800.0
AROUND_SWAP = timedelta(seconds=60)
BASE_SEED, CALIBRATION_SEED = 6_500_000, 8_500_000
"""first scenes of the base set and of those for calibration; the first champion was trained on none of them"""
LEAST = "4"
"""images of each class that a set needs"""


def prepare(plan: LoopDemoPlan, site: LoopSite) -> PhaseResult:
    """Draw the base set, push the tiny model, and make it the first champion."""
    run = site.commands.run
    scenes, night = plan.out / "base-scenes", plan.night
    for directory, count, seed in (
        (scenes, night.base, BASE_SEED),
        (site.calibration, night.calibration, CALIBRATION_SEED),
    ):
        run("training", "scenes", "--count", str(count), "--seed", str(seed), "--out", str(directory))
    run("training", "build", str(scenes), "--out", str(site.base), "--labels-only", "--least", LEAST)
    pushed = site.commands.run_json("training", "models", "push", ADDRESS, str(FIRST_MODEL), "--by", BY)
    revision = str(pushed["revision"])
    promote(site, revision, "first champion")
    return {"revision": revision}


def wait_for_events(live: LiveLoop, number: int) -> PhaseResult:
    live.wait_for_events(number)
    return {"at_event": len(live.sent)}


def label(plan: LoopDemoPlan, live: LiveLoop, labeling: Labeling) -> PhaseResult:
    """Label what was sampled so far, and once more when all events that labels are taken from are answered."""
    labeling.label_all(live.sent)
    live.wait_for_events(plan.before + plan.flooded)
    labels = labeling.label_all(live.sent)
    return {"labels": labels, "at_event": len(live.sent)}


def run_night(plan: LoopDemoPlan, live: LiveLoop) -> PhaseResult:
    """Train on the labels, pass the gate, push and promote. Raises: FatalError if nothing was promoted."""
    began_at_event, champion = len(live.sent), live.site.read_champion()
    config, report = write_night_config(plan, live.site), None
    if plan.night.is_whole:
        retrain = ("training", "retrain", "--config", str(config))
        report = live.site.commands.run_json(*retrain, timeout_s=NIGHT_TIMEOUT_S, is_watched=True)
    else:
        run_short_night(plan, live.site, str(champion))
    promoted = live.site.read_champion()
    if promoted in (None, champion):
        raise FatalError(f"the night promoted nothing: {report}")
    with live.site.open_registry() as registry:
        manifest = registry.read_manifest(str(promoted))
    return {
        "revision": promoted,
        "snapshot": manifest.data_digest,
        "table": manifest.gate,
        "report": report,
        "began_at_event": began_at_event,
        "at_event": len(live.sent),
    }


def wait_for_swap(live: LiveLoop, revision: str) -> PhaseResult:
    """Wait until the worker answers with the new champion; return how long the swap took, and the silence around it."""
    live.wait_for_revision(revision)
    swapped_at = next(v.decided_at for v in live.read_verdicts() if v.model.revision == revision)
    around = [v for v in live.read_verdicts() if abs(v.decided_at - swapped_at) < AROUND_SWAP]
    return {
        "swap_seconds": live.read_swap_seconds(),
        "longest_silence_s": measurement.find_longest_silence_s(around),
        "at_event": len(live.sent),
    }


def refuse_damaged(plan: LoopDemoPlan, live: LiveLoop, champion: str, snapshot: str) -> PhaseResult:
    """Damage the champion's weights and let the gate judge them. Raises: FatalError if it lets them through."""
    with live.site.fetch_revision(champion) as directory:
        damaged = damage_weights(directory, plan.out / "damaged" / directory.name, noise=plan.night.noise)
        judged = live.site.commands.try_run(
            *("training", "gate", str(damaged), "--champion", str(directory)),
            *list_gate_sets(plan, live.site, snapshot),
            *("--config", str(locate_gate_config(plan)), "--json"),
            timeout_s=GATE_TIMEOUT_S,
            is_watched=True,
        )
    if judged.returncode not in (0, 1) or not judged.stdout:
        raise FatalError(f"the gate ended with {judged.returncode}, without a table")
    table = GateTable.model_validate(parse_last_line(judged.stdout))
    if table.passed:
        raise FatalError("the gate let a damaged challenger through")
    return {"table": table.model_dump(mode="json"), "at_event": len(live.sent)}


def list_gate_sets(plan: LoopDemoPlan, site: LoopSite, snapshot: str) -> list[str]:
    """List the sets of the gate; a short night has too few golden and new images to judge by, so the base alone."""
    base = ["--base", f"{site.base}:test"]
    if not plan.night.is_whole:
        return base
    data = fetch_snapshot(plan, site, snapshot)
    return ["--golden", f"{data}:golden", "--new", f"{data}:test", *base]


def roll_back(plan: LoopDemoPlan, live: LiveLoop, first: str) -> PhaseResult:
    """Make the first champion serve again, and wait until it has answered some events."""
    at_event = len(live.sent)
    if live.site.read_champion() != first:
        live.site.commands.run("training", "models", "rollback", ADDRESS, "--reason", "a drill", "--by", BY)
    live.wait_for_revision(first)
    live.wait_for_events(len(live.sent) + plan.after_rollback)
    return {"at_event": at_event}


def rejudge(live: LiveLoop, revision: str) -> PhaseResult:
    """Have the events judged again whose verdict came from the revision that was rolled back."""
    live.site.commands.run("worker", "rejudge", "--revision", revision, "--since", "1d", timeout_s=REJUDGED_S)
    events = [event.sent.event_id for event in live.join() if event.first.model.revision == revision]

    def is_judged_again() -> bool:
        return not list_waiting(live, revision)

    live.wait_until(is_judged_again, "every event of the revision is judged again", within_s=REJUDGED_S)
    return {"events": events, "at_event": len(live.sent)}


def list_waiting(live: LiveLoop, revision: str) -> Sequence[str]:
    """Return the events whose last verdict still comes from the revision."""
    return [event.sent.event_id for event in live.join() if event.last.model.revision == revision]
