"""One loop from top to bottom: traffic, new kinds, labels, a night, a new champion, a refused one, and the way back."""

from collections.abc import Mapping

from tests.loop_demo import measurement, steps
from tests.loop_demo.labels import Labeling
from tests.loop_demo.live import LiveLoop, run_live
from tests.loop_demo.page import Marker, Story, write_page
from tests.loop_demo.phases import Notify, Phase, PhaseJournal, PhaseResult
from tests.loop_demo.plan import LoopDemoPlan
from tests.loop_demo.results import LoopDemoResults
from tests.loop_demo.site import LoopSite
from tests.loop_demo.traffic import Kind
from training.gate.table import GateTable
from worker.local.stack import LocalStack

Phases = Mapping[str, PhaseResult]
LABELED = "given by oracles through Label Studio's API, wrong in {:.0%} of the cases"
IMPORTED = "written by an oracle as those of an import, without Label Studio, wrong in {:.0%} of the cases"


class LoopDemo:
    """Runs on a stack that keeps its data; run again after it was stopped, it goes on."""

    def __init__(self, plan: LoopDemoPlan, stack: LocalStack, notify: Notify) -> None:
        self._plan = plan
        self._notify = notify
        self._site = LoopSite(plan, stack)
        self._labeling = Labeling(plan, stack, self._site.commands, notify)
        self._journal = PhaseJournal(plan.out / "phases", notify)

    def run(self) -> LoopDemoResults:
        plan, site = self._plan, self._site
        preparation = Phase(
            "prepare", "Drawing the base set and promoting the first champion", 100, lambda: steps.prepare(plan, site)
        )
        prepared = self._journal.run([preparation])
        first = str(prepared["prepare"]["revision"])
        with run_live(plan, site, self._notify) as live:
            begun = self._journal.run(self._list_first_half(live))
            second = str(begun["night"]["revision"])
            ended = self._journal.run(self._list_second_half(live, first, second, begun["night"]))
            story = self._tell(live, {**prepared, **begun, **ended}, first, second)
        self._notify(write_page(plan.out, story).absolute().as_uri())
        return story.results

    def _list_first_half(self, live: LiveLoop) -> list[Phase]:
        """List the phases up to the night, which is the first to know the new champion."""
        plan = self._plan
        half, all_of_them = plan.before + plan.flooded // 2, plan.before + plan.flooded
        wait_s, label_s = plan.flooded / 2 / plan.rate, 60.0
        return [
            Phase(
                "before",
                "Traffic of kinds that the model knows",
                plan.before / plan.rate,
                lambda: steps.wait_for_events(live, plan.before),
            ),
            Phase(
                "fall",
                "Three artifact kinds appear that no training has drawn",
                wait_s,
                lambda: steps.wait_for_events(live, half),
            ),
            Phase(
                "labels",
                f"Annotators label what is sampled, until event {all_of_them}",
                max(wait_s, label_s) + label_s,
                lambda: steps.label(plan, live, self._labeling),
            ),
            Phase(
                "night",
                "A night: snapshot, fine-tuning, calibration, gate, promotion",
                plan.night.expected_s,
                lambda: steps.run_night(plan, live),
            ),
        ]

    def _list_second_half(self, live: LiveLoop, first: str, second: str, night: PhaseResult) -> list[Phase]:
        plan = self._plan
        return [
            Phase(
                "swap",
                "The worker takes up the new champion while it answers",
                15,
                lambda: steps.wait_for_swap(live, second),
            ),
            Phase(
                "after",
                "Traffic for the new champion",
                plan.after / plan.rate,
                lambda: steps.wait_for_events(live, night["at_event"] + plan.after),
            ),
            Phase(
                "refusal",
                "The gate judges a damaged challenger",
                plan.night.gate_s,
                lambda: steps.refuse_damaged(plan, live, second, night["snapshot"]),
            ),
            Phase(
                "rollback",
                "The champion is rolled back",
                15 + plan.after_rollback / plan.rate,
                lambda: steps.roll_back(plan, live, first),
            ),
            Phase(
                "rejudge",
                "What it judged is judged again",
                plan.after / plan.rate / 2,
                lambda: steps.rejudge(live, second),
            ),
        ]

    def _tell(self, live: LiveLoop, phases: Phases, first: str, second: str) -> Story:
        """Measure the traffic so far, once all of it is answered."""
        sent = live.sent  # more is sent while this waits
        live.wait_for_events(len(sent))
        verdicts, rejudged = live.read_verdicts(), set(phases["rejudge"]["events"])
        judged = [event for event in live.join() if event.sent.number < len(sent)]
        integrity = measurement.check_integrity(sent, verdicts, champions=[first, second, first], rejudged=rejudged)
        by_first = [event for event in judged if event.first.model.revision == first]
        by_second = [event for event in judged if event.first.model.revision == second]
        before = [event for event in by_first if event.sent.number < self._plan.before]
        results = LoopDemoResults(
            acc_before=measurement.compute_accuracy(before),
            acc_new_before=measurement.compute_accuracy(by_first, kind=Kind.NEW),
            acc_new_after=measurement.compute_accuracy(by_second, kind=Kind.NEW),
            acc_base_after=measurement.compute_accuracy(by_second, kind=Kind.KNOWN),
            labels=phases["labels"]["labels"],
            night_seconds=phases["night"]["seconds"],
            swap_seconds=phases["swap"]["swap_seconds"],
            longest_silence_s=phases["swap"]["longest_silence_s"],
            events=len(sent),
            answered=len(judged),
            lost=len(integrity.lost),
            mixed_revisions=len(integrity.mixed),
            refused_challenger=not phases["refusal"]["table"]["passed"],
            rolled_back=judged[-1].first.model.revision == first and len(by_second) > 0,
            rejudged=len(rejudged),
            seconds=round(sum(result["seconds"] for result in phases.values()), 1),
        )
        origin = LABELED if self._plan.has_label_studio else IMPORTED
        return Story(
            results=results,
            rate=self._plan.rate,
            curves={kind: measurement.trace_curve(judged, kind) for kind in Kind},
            swaps=measurement.find_swaps(judged),
            markers=self._list_markers(phases, measurement.find_swaps(judged)),
            phases=phases,
            passed=GateTable.model_validate(table) if (table := phases["night"]["table"]) else None,
            refused=GateTable.model_validate(phases["refusal"]["table"]),
            both_models=measurement.compare_models(judged, rejudged),
            label_origin=origin.format(self._plan.error_fraction),
        )

    def _list_markers(self, phases: Phases, swaps: list[tuple[int, str]]) -> list[Marker]:
        taken_up = [number for number, _ in swaps[1:2]]
        return [
            Marker(self._plan.before, "new kinds appear"),
            Marker(phases["fall"]["at_event"], "labeling begins"),
            Marker(phases["night"]["began_at_event"], "night begins"),
            *(Marker(number, "new champion answers") for number in taken_up),
            Marker(phases["refusal"]["at_event"], "damaged challenger refused"),
            Marker(phases["rollback"]["at_event"], "rollback"),
        ]
