"""The one rule from what annotators said of a case to its label; pure.

The newest label of each annotator counts. If all of them agree, the case is agreed; if they differ, it is disputed and
goes to a third annotator, with whom two of three decide. `unsure` is an answer of its own: it counts in estimates and
is never trained on.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.verdict import Verdict
from pipeline.wire.labels import LabelEvent, LabelOrigin, LabelVerdict
from pipeline.wire.messages import Box

MAJORITY_OF = 3
"""annotators from whom on two thirds decide"""


class LabelState(StrEnum):
    PENDING = "pending"
    AGREED = "agreed"
    DISPUTED = "disputed"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Adjudication:
    """The state of a case, and the newest label of each annotator, the latest one last."""

    state: LabelState
    labels: tuple[LabelEvent, ...]
    chosen: LabelVerdict | None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that annotators agreed on; None in every other state."""
        return self.chosen.decided if self.chosen and self.state is LabelState.AGREED else None

    @property
    def boxes(self) -> list[Box] | None:
        """The boxes of the latest annotator who agrees and was asked to draw; None if nobody was."""
        return next((label.boxes for label in self.agreeing if label.boxes is not None), None)

    @property
    def explanation(self) -> str | None:
        """The words of the latest annotator who agrees and wrote some."""
        return next((label.explanation for label in self.agreeing if label.explanation), None)

    @property
    def agreeing(self) -> list[LabelEvent]:
        """The labels with the verdict that was chosen, the latest one first."""
        return [label for label in reversed(self.labels) if label.verdict is self.chosen]


def adjudicate(labels: Iterable[LabelEvent]) -> Adjudication:
    """Decide about one case from all labels that were ever given to it, in any order."""
    newest: dict[tuple[LabelOrigin, str], LabelEvent] = {}
    for label in sorted(labels, key=lambda label: (label.created_at, label.label_id)):
        annotator = label.origin, label.annotator  # the platform may name a reviewer as we name an annotator
        newest.pop(annotator, None)  # the latest label comes last
        newest[annotator] = label
    latest = tuple(newest.values())
    if not latest:
        return Adjudication(LabelState.PENDING, (), None)
    verdict, votes = Counter(label.verdict for label in latest).most_common(1)[0]
    if votes < len(latest) and not (len(latest) >= MAJORITY_OF and 3 * votes >= 2 * len(latest)):
        return Adjudication(LabelState.DISPUTED, latest, None)
    state = LabelState.UNSURE if verdict is LabelVerdict.UNSURE else LabelState.AGREED
    return Adjudication(state, latest, verdict)
