"""Decision if a case goes to the labeling bucket, and by which strata; pure.

Each stratum draws with its own hash of the event: a redelivery decides the same, and decisions are independent.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from pipeline.verdict import Status
from pipeline.wire.labels import SampleReason
from pipeline.wire.messages import VerdictEvent


@dataclass(frozen=True, slots=True)
class SamplingPolicy:
    low_confidence_below: float
    corrected_fraction: float
    low_confidence_fraction: float
    control_fraction: float
    blind_fraction: float
    salt: bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """`inclusion_probability` = 1 - product(1 - p_s) over the strata that apply; a label weighs its inverse."""

    reasons: tuple[SampleReason, ...]
    inclusion_probability: float
    blind: bool


def decide(event: VerdictEvent, policy: SamplingPolicy) -> Sample | None:
    """Return None for a case that no stratum draws."""
    strata = dict(_list_strata(event, policy))
    drawn = tuple(reason for reason, fraction in strata.items() if _draw(reason, fraction, event.event_id, policy.salt))
    if not drawn:
        return None
    inclusion = 1 - prod(1 - fraction for fraction in strata.values())
    return Sample(drawn, inclusion, _draw("blind", policy.blind_fraction, event.event_id, policy.salt))


def _list_strata(event: VerdictEvent, policy: SamplingPolicy) -> Iterator[tuple[SampleReason, float]]:
    if event.confidence < policy.low_confidence_below or event.uncertain:
        yield SampleReason.LOW_CONFIDENCE, policy.low_confidence_fraction
    if event.corrected:
        yield SampleReason.CORRECTED, policy.corrected_fraction
    if event.status is Status.DEGRADED:
        yield SampleReason.DEGRADED, 1.0
    if event.status is Status.UNGROUNDED:
        yield SampleReason.UNGROUNDED, policy.corrected_fraction
    yield SampleReason.CONTROL, policy.control_fraction


def _draw(decision: str, fraction: float, event_id: str, salt: bytes) -> bool:
    digest = hashlib.blake2b(f"{decision}{event_id}".encode(), key=salt[:64], digest_size=8).digest()
    return int.from_bytes(digest) < fraction * 2**64
