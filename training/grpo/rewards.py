"""The paper's four rewards: pure, one function an equation, each in [0, 1] or None where a row is left out.

Answers are read by the product's own parser. One that serving could not read earns nothing in any reward, so that
silence never pays.
Source: paper section 3.3, equations 1 to 4.
"""

from collections.abc import Sequence

from pipeline import geometry
from pipeline.verdict import BoundingBox, Verdict
from training.evaluation import metrics, text_metrics
from training.grpo.profiles import IouMode
from training.runs.completions import Answered

MAX_BOXES = 8
"""further boxes of an answer count in no reward"""


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
