"""The paper's four rewards: pure, one function an equation, each in [0, 1] or None where a row is left out.

Answers are read by the product's own parser. One that serving could not read earns nothing in any reward, so that
silence never pays.
Source: paper section 3.3, equations 1 to 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import geometry, parse, zoomin
from pipeline.checkpoint import BoxFrame
from pipeline.errors import AnswerUnreadable
from pipeline.verdict import BoundingBox, Verdict
from training.measuring import metrics, text_metrics
from training.tuning.grpo_profiles import IouMode

MAX_BOXES = 8
"""further boxes of an answer count in no reward"""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer as the parser reads it; `verdict` is None where it cannot, and then the rest is empty."""

    verdict: Verdict | None
    regions: tuple[BoundingBox, ...] = ()
    explanation: str = ""


UNREADABLE = Answered(None)


def read_scan(
    text: str, *, frame: BoxFrame, view: geometry.Size, image: geometry.Size, truncated: bool = False
) -> Answered:
    """An answer to Query 1, its boxes as regions of an image of size `image` that the model saw in size `view`."""
    try:
        verdict, boxes, explanation = parse.global_scan(text, truncated=truncated)
    except AnswerUnreadable:
        return UNREADABLE
    return Answered(verdict, zoomin.place(boxes, frame=frame, view=view, image=image), explanation)


def read_check(text: str, *, truncated: bool = False) -> Answered:
    """An answer to Query 2."""
    try:
        verdict, explanation = parse.local_check(text, truncated=truncated)
    except AnswerUnreadable:
        return UNREADABLE
    return Answered(verdict, (), explanation)


def r_format(answer: Answered) -> float:
    """R_F: 1 for valid verdict tags. Stricter than the paper: the whole answer must be one that serving can read.

    Source: equation 1.
    """
    return float(answer.verdict is not None)


def r_iou(answer: Answered, annotated: Sequence[BoundingBox], mode: IouMode) -> float | None:
    """R_IoU in one of three readings; None where a readable answer names nothing and there is nothing to name.

    Boxes that repeat an earlier one are dropped and eight count at most, or one good box said often would earn most.
    As the paper writes it (`eq2`) it still pays to name few boxes; `f1` takes that away.
    Source: equation 2.
    """
    if answer.verdict is None:
        return 0.0
    return metrics.IOU_READINGS[mode](geometry.distinct(answer.regions)[:MAX_BOXES], annotated)


def r_verdict(answer: Answered, label: Verdict) -> float:
    """R_C: 1 for the right verdict.

    Source: equation 3.
    """
    return float(answer.verdict is label)


def r_bleu(answer: Answered, reference: str) -> float | None:
    """R_BLEU: BLEU-2 of the explanation; None where there is no reference.

    Source: equation 4.
    """
    return text_metrics.bleu(answer.explanation, reference, order=2)
