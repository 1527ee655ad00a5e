"""The claims of the paper, stated before any arm is trained, and the rule that decides them by sign. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from training.common.resampling import Metric
from training.stages.arms import DUAL_VERDICT, EQ_2, NO_BLEU, STAGE_1, STAGE_1_2, STAGE_2, START

Outcome = Literal["confirmed", "contradicted", "no difference seen", "one seed: not decided", "not tested"]
Sign = Literal[1, -1]


@dataclass(frozen=True, slots=True)
class Claim:
    """One metric of one arm against another arm or the start, and the sign that the difference is to have."""

    name: str
    text: str
    metric: str
    arm: str
    against: str
    sign: Sign


CLAIMS: Sequence[Claim] = (
    Claim("recall", "Stage 1 finds more of the annotated regions", "iou_recall", STAGE_1, START, 1),
    Claim("f1", "Stage 1 raises the harmonic mean of both overlaps", "iou_f1", STAGE_1, START, 1),
    Claim("acc", "Stage 1 raises Acc", "acc", STAGE_1, START, 1),
    Claim("acc_by_boxes", "and more than at annotated boxes: by better boxes alone", "box_gain", STAGE_1, START, 1),
    Claim("c_acc", "Stage 2 raises C-Acc at fixed (annotated) boxes", "c_acc_annotated", STAGE_2, START, 1),
    Claim("no_bleu", "Without R_BLEU, BLEU-2 is lower", "bleu2", NO_BLEU, STAGE_1_2, -1),
    Claim("dual_c_acc", "With R_verdict in stage 1 too, C-Acc is lower", "c_acc", DUAL_VERDICT, STAGE_1_2, -1),
    Claim("dual_iou", "With R_verdict in stage 1 too, IoU is lower", "iou", DUAL_VERDICT, STAGE_1_2, -1),
    Claim("eq2_boxes", "Rewarded by Eq. 2 as written, the model names fewer boxes", "boxes", EQ_2, STAGE_1, -1),
)


def decide_claim(sign: Sign, difference: Metric, by_seed: Mapping[int, float | None]) -> Outcome:
    """Decide by the interval of the pooled difference and by the sign in every seed, of which there are two or more.

    The interval is over scenes; with few seeds it says little about another seed, so each of them has to agree.
    """
    low, high = difference.low, difference.high
    if difference.value is None or low is None or high is None:
        return "not tested"
    values = [value for value in by_seed.values() if value is not None]
    if low <= 0 <= high:
        return "no difference seen"
    if len(values) < 2:
        return "one seed: not decided"
    if low > 0 and min(values) > 0:
        return "confirmed" if sign > 0 else "contradicted"
    if high < 0 and max(values) < 0:
        return "confirmed" if sign < 0 else "contradicted"
    return "no difference seen"
