"""The report of a round: whether the promise was kept, and what happened meanwhile."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.chaos.schedule import KILLS
from tests.chaos.verification import Verification
from worker.observe.telemetry import MODEL_REFUSED, MODEL_SWAPPED

Delivery = Literal["at_least_once", "exactly_once"]
SILENCE_LIMIT_S = 60.0
"""the longest outage is some ten seconds, and the slowest machine starts its broker in as much again"""


@dataclass(frozen=True, slots=True)
class ModelChanges:
    """Swaps of all workers by their way, refusals by their reason, and a sentence on each worker that hangs back."""

    swaps: Counter[str]
    refusals: Counter[str]
    laggards: Sequence[str]


def count_model_changes(lines: Sequence[Mapping[str, Any]], laggards: Sequence[str]) -> ModelChanges:
    """Count what the workers' logs say."""
    return ModelChanges(
        Counter(line["way"] for line in lines if line["event"] == MODEL_SWAPPED),
        Counter(line["reason"] for line in lines if line["event"] == MODEL_REFUSED),
        laggards,
    )


@dataclass(frozen=True, slots=True)
class Report:
    """`verification` is of what a reader of committed records gets; `repeats` are those that any other reader gets."""

    seed: int
    delivery: Delivery
    verification: Verification
    repeats: int
    faults: Counter[str]
    ended_badly: Sequence[str]
    seconds: float
    models: ModelChanges

    @property
    def broken(self) -> list[str]:
        may_repeat = self.delivery == "at_least_once"
        broken = self.verification.broken(silence_limit_s=SILENCE_LIMIT_S, may_repeat=may_repeat)
        return [*broken, *self.ended_badly, *self.models.laggards]

    def to_json(self) -> dict[str, object]:
        """build/chaos.json; the names are a contract."""
        found = self.verification
        return {
            "seed": self.seed,
            "delivery": self.delivery,
            "sent": found.sent,
            "verdicts": found.verdicts,
            "dead_letters": found.dead_letters,
            "lost": len(found.lost),
            "repeats": self.repeats,
            "unequal_repeats": len(found.unequal_repeats),
            "wrong_answers": len(found.wrong_answers),
            "mixed_revisions": len(found.mixed_revisions),
            "offsets_beyond_unanswered": found.offsets_beyond_unanswered,
            "uncommitted": found.uncommitted,
            "read_committed_repeats": found.repeats,
            "kills": sum(self.faults[kind] for kind in set(KILLS)),
            "faults": dict(self.faults),
            "workers_ended_badly": len(self.ended_badly),
            "swaps": dict(self.models.swaps),
            "refused_models": dict(self.models.refusals),
            "workers_behind_the_champion": len(self.models.laggards),
            "longest_silence_s": {str(p): round(s, 1) for p, s in found.longest_silence_s.items()},
            "seconds": round(self.seconds, 1),
        }
