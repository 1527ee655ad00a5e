"""The paper's four rewards: pure, one function an equation, each in [0, 1] or None where a row is left out.

The product's own parser reads the answers. An answer that serving could not read earns 0 in every reward, so that an
empty answer never pays.
Source: paper section 3.3, equations 1 to 4.
"""

import re
from collections.abc import Mapping, Sequence

from pipeline import geometry
from pipeline.verdict import BoundingBox, Verdict
from training.evaluation import metrics, text_metrics
from training.grpo.profiles import IouMode
from training.runs.completions import ParsedCompletion
from training.runs.prompts import Prompt

MAX_BOXES = 8
"""further boxes of an answer count in no reward"""
FEWEST_WORDS = 3
"""of an explanation that no reference judges"""


def reward_format(completion: ParsedCompletion) -> float:
    """Return R_F: 1 for valid verdict tags. Stricter than the paper: serving must be able to read the whole answer.

    Source: equation 1.
    """
    return float(completion.verdict is not None)


def reward_iou(completion: ParsedCompletion, annotated: Sequence[BoundingBox], mode: IouMode) -> float | None:
    """Return R_IoU in one of three readings; None when a readable answer has no box and the image has none.

    Boxes that repeat an earlier one are dropped and eight count at most; otherwise one good box, repeated, would earn
    most. As the paper writes it (`eq2`), few boxes still earn more; `f1` removes that.
    Source: equation 2.
    """
    if completion.verdict is None:
        return 0.0
    return metrics.IOU_METRICS[mode](geometry.drop_repeated_boxes(completion.regions)[:MAX_BOXES], annotated)


def reward_verdict(completion: ParsedCompletion, label: Verdict) -> float:
    """Return R_C: 1 for the right verdict.

    Source: equation 3.
    """
    return float(completion.verdict is label)


def reward_unexplained_verdict(completion: ParsedCompletion, label: Verdict) -> float:
    """Return R_C of an answer to Query 2 whose explanation nothing is compared with; without words it earns 0.

    Otherwise an answer that leaves the explanation out would earn as much as one that gives it.
    """
    words = re.findall(r"[A-Za-z]{2,}", completion.explanation)
    return reward_verdict(completion, label) if len(words) >= FEWEST_WORDS else 0.0


def reward_bleu(completion: ParsedCompletion, reference: str) -> float | None:
    """Return R_BLEU: BLEU-2 of the explanation; None where there is no reference.

    Source: equation 4.
    """
    return text_metrics.bleu(completion.explanation, reference, order=2)


def compute_scale(prompt: Prompt, weights: Mapping[str, float]) -> float:
    """Return the factor by which a prompt's rewards grow because people gave less than its query asks for.

    Otherwise a prompt with a verdict alone would be worth less than one with boxes or a reference, where advantages are
    not divided by the spread of their group. Query 1 is asked for its boxes, and Query 2 for its explanation. The
    factor is 1 if nothing is missing, or if no reward of the profile can judge the prompt.
    """
    own = {"format", "verdict", "iou" if prompt.is_scan else "bleu"}
    if prompt.is_scan:
        missing = {"iou"} if prompt.annotated is None else set()
    else:
        missing = set() if prompt.reference else {"bleu"}
    whole = sum(weights[name] for name in weights.keys() & own)
    judged = sum(weights[name] for name in weights.keys() & own - missing)
    return whole / judged if judged else 1.0
