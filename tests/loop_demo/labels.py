"""Labels for the sampled cases of the traffic, by oracles who know what was drawn.

They label through Label Studio's API, as annotators do. Where a loop has no Label Studio, the same labels are written
into the bucket as those of an import.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime

from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelCase, LabelEvent, LabelOrigin, LabelVerdict, build_label_id
from tests.loop_demo.plan import LABELS, LoopDemoPlan
from tests.loop_demo.traffic import SentEvent
from tests.support.label_oracle import WORDS, Truth, find_project, label_as
from tests.support.processes.command_line import Commands
from tests.support.servers.label_studio import LabelStudioForTests
from training.labeling.bucket import LabelingBucket
from worker.local.stack import LocalStack

BUCKET = f"s3://{LABELS}"
ANNOTATORS = ("ana", "ben", "cleo")
"""the second labels what goes to two, and the third what those two dispute"""
IMPORTER = "import"


class Labeling:
    """One loop's labels: `label_all` may run again at any time, and adds what is missing."""

    def __init__(
        self, plan: LoopDemoPlan, stack: LocalStack, commands: Commands, notify: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._stack = stack
        self._commands = commands
        self._notify = notify

    def label_all(self, sent: Iterable[SentEvent]) -> int:
        """Label every case that was sampled so far; return the number of labels in the bucket."""
        with closing(self._stack.seaweedfs.build_client()) as client:
            bucket = LabelingBucket(LABELS, client)
            truths = _read_truths(bucket, {event.event_id: event for event in sent})
            if self._stack.label_studio is None:
                self._import_labels(bucket, truths)
            else:
                self._label_in_label_studio(
                    LabelStudioForTests(self._stack.label_studio, self._stack.seaweedfs), truths
                )
            return len(list(bucket.list_label_keys()))

    def _label_in_label_studio(self, server: LabelStudioForTests, truths: Mapping[str, Truth]) -> None:
        for name in ANNOTATORS:
            self._commands.run("training", "labels", "push", BUCKET)
            labeled = label_as(
                server,
                name,
                find_project(server),
                truths,
                error_fraction=self._plan.error_fraction,
                most=len(truths),
            )
            self._commands.run("training", "labels", "pull", BUCKET)
            self._notify(f"{name} labeled {labeled} cases in Label Studio")

    def _import_labels(self, bucket: LabelingBucket, truths: Mapping[str, Truth]) -> None:
        written = sum(
            bucket.put_label(build_imported_label(truth, self._plan.error_fraction)) for truth in truths.values()
        )
        self._notify(f"{written} labels imported")


def build_imported_label(truth: Truth, error_fraction: float) -> LabelEvent:
    """Build the label that an oracle gives, as an import writes it."""
    verdict, case = truth.choose_verdict(IMPORTER, error_fraction), truth.case
    is_drawn = verdict is truth.image.label is Verdict.GENERATED
    return LabelEvent(
        label_id=build_label_id(case.case_id, IMPORTER, "1"),
        case_id=case.case_id,
        event_id=case.event_id,
        image_sha256=case.image.sha256,
        verdict=LabelVerdict(verdict),
        boxes=truth.image.boxes if is_drawn else [],
        explanation=WORDS[verdict],
        annotator=IMPORTER,
        origin=LabelOrigin.IMPORT,
        blind=case.blind,
        guideline_version="1",
        seconds_spent=None,
        created_at=datetime.now(UTC),
        supersedes=None,
    )


def _read_truths(bucket: LabelingBucket, events: Mapping[str, SentEvent]) -> dict[str, Truth]:
    """Return the truth of each case whose event is known, by the case's id."""
    cases = (bucket.read_case(key) for key in bucket.list_case_keys())
    return {
        case.case_id: Truth(case, events[case.event_id].build_labeled_image())
        for case in cases
        if isinstance(case, LabelCase) and case.event_id in events
    }
