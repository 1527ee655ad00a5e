"""The state of labeling, counted from the cases of a bucket and their labels, one case at a time."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.wire.labels import LabelEvent, LabelOrigin, LabelVerdict
from training.common.resampling import Metric
from training.label_studio.agreement import (
    Pair,
    count_pairs,
    estimate_difference,
    estimate_kappa,
    estimate_share,
)
from training.label_studio.marks import PullMarks, Refusal
from training.labeling.adjudication import LabelState
from training.labeling.bucket import Unreadable
from training.labeling.cases import AdjudicatedCase

LEAST_OF_ONE_CLASS = 20
"""labels of one class alone from which on an annotator is flagged"""


@dataclass(slots=True)
class QueueRow:
    """The cases of one reason that wait for an annotator; a case with several reasons stands in each of its rows."""

    pending: int = 0
    disputed: int = 0
    oldest: datetime | None = None

    def add(self, found: AdjudicatedCase) -> None:
        is_disputed = found.adjudication.state is LabelState.DISPUTED
        self.disputed += is_disputed
        self.pending += not is_disputed
        created = found.case.created_at
        self.oldest = created if self.oldest is None else min(self.oldest, created)


@dataclass(slots=True)
class AnnotatorTally:
    """The newest labels of one annotator, one a case."""

    verdicts: Counter[LabelVerdict] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def labels(self) -> int:
        return self.verdicts.total()

    @property
    def median_seconds(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def is_of_one_class(self) -> bool:
        return self.labels >= LEAST_OF_ONE_CLASS and len(self.verdicts) == 1


@dataclass(slots=True)
class Anchoring:
    """The decided labels of one kind (blind or shown), and how many of them say what the model said."""

    labels: int = 0
    with_model: int = 0

    @property
    def agreement(self) -> Metric:
        return estimate_share(self.with_model, self.labels)


@dataclass(slots=True)
class BoxTally:
    """The model's boxes that annotators were shown, those that they left as they were, and boxes that they drew."""

    offered: int = 0
    kept: int = 0
    drawn: int = 0


@dataclass(slots=True)
class LabelStatus:
    """Counts grow by `add`; memory grows with annotators and labels, a number each, and not with cases."""

    states: Counter[LabelState] = field(default_factory=Counter)
    queue: defaultdict[str, QueueRow] = field(default_factory=lambda: defaultdict(QueueRow))
    annotators: defaultdict[str, AnnotatorTally] = field(default_factory=lambda: defaultdict(AnnotatorTally))
    pairs: Counter[Pair] = field(default_factory=Counter)
    blind: Anchoring = field(default_factory=Anchoring)
    shown: Anchoring = field(default_factory=Anchoring)
    boxes: BoxTally = field(default_factory=BoxTally)
    refused: list[Refusal] = field(default_factory=list)
    deleted: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)

    def add(self, found: AdjudicatedCase) -> None:
        state = found.adjudication.state
        self.states[state] += 1
        self.unreadable += found.unreadable
        if found.needs_annotator:
            for reason in found.case.reasons:
                self.queue[reason].add(found)
        labels = [label for label in found.adjudication.labels if label.origin is LabelOrigin.LABEL_STUDIO]
        count_pairs([label.verdict for label in labels], self.pairs)
        for label in labels:
            self._add_label(found, label)

    @property
    def kappa(self) -> Metric:
        return estimate_kappa(self.pairs)

    @property
    def anchoring_gap(self) -> Metric:
        """The agreement with the model where its verdict was shown, less that of blind cases."""
        return estimate_difference(
            (self.shown.with_model, self.shown.labels), (self.blind.with_model, self.blind.labels)
        )

    @property
    def boxes_kept(self) -> Metric:
        return estimate_share(self.boxes.kept, self.boxes.offered)

    def _add_label(self, found: AdjudicatedCase, label: LabelEvent) -> None:
        annotator = self.annotators[label.annotator]
        annotator.verdicts[label.verdict] += 1
        if label.seconds_spent is not None:
            annotator.seconds.append(label.seconds_spent)
        event = found.case.verdict_event
        if label.verdict.decided is not None:
            anchoring = self.blind if label.blind else self.shown
            anchoring.labels += 1
            anchoring.with_model += label.verdict.decided is event.verdict
        if not label.blind and label.boxes is not None:
            offered = [region.box for region in event.scan.regions]
            kept = sum(box in offered for box in label.boxes)
            self.boxes.offered += len(offered)
            self.boxes.kept += kept
            self.boxes.drawn += len(label.boxes) - kept


def count_status(
    cases: Iterable[AdjudicatedCase | Unreadable], deleted: frozenset[str], marks: PullMarks
) -> LabelStatus:
    """Count all cases; of images that are deleted only their number."""
    status = LabelStatus(refused=[refusal for mark in marks.projects.values() for refusal in mark.refused])
    for found in cases:
        if isinstance(found, Unreadable):
            status.unreadable.append(found)
        elif found.case.image.sha256 in deleted:
            status.deleted += 1
        else:
            status.add(found)
    return status
