"""The choice of cases to send, by reason and quota; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.wire.labels import LabelCase, SampleReason

ORDER = (
    SampleReason.CONTROL,  # estimates rest on it alone
    SampleReason.DEGRADED,
    SampleReason.CORRECTED,
    SampleReason.UNGROUNDED,
    SampleReason.LOW_CONFIDENCE,
    SampleReason.REVIEW,
)


@dataclass(frozen=True, slots=True)
class PushPolicy:
    """`limit` is of one push. A quota is the most cases of its reason that are open in Label Studio at a time."""

    reasons: frozenset[str] | None = None
    limit: int | None = None
    quotas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaitingCase:
    """A case that is not in Label Studio; `reason` is the one that it counts for."""

    case_id: str
    reason: str
    created_at: datetime


def choose_reason(case: LabelCase, policy: PushPolicy) -> str | None:
    """Choose the reason that a case counts for: the first in our order that the policy lets pass."""
    wanted = [reason for reason in case.reasons if policy.reasons is None or reason in policy.reasons]
    return min(wanted, key=rank_reason, default=None)


def rank_reason(reason: str) -> int:
    """Rank a reason; one that we do not know comes last."""
    return ORDER.index(SampleReason(reason)) if reason in list(SampleReason) else len(ORDER)


def choose_cases(waiting: Iterable[WaitingCase], open_cases: Counter[str], policy: PushPolicy) -> list[WaitingCase]:
    """Choose the cases to send: by reason, then the oldest first, as many as quotas and limit let pass."""
    counts = Counter(open_cases)
    chosen: list[WaitingCase] = []
    for case in sorted(waiting, key=lambda case: (rank_reason(case.reason), case.created_at, case.case_id)):
        if policy.limit is not None and len(chosen) >= policy.limit:
            break
        quota = policy.quotas.get(case.reason)
        if quota is None or counts[case.reason] < quota:
            counts[case.reason] += 1
            chosen.append(case)
    return chosen
