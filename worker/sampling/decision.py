"""Decision if an image goes to the labeling bucket, and by which strata; pure.

Each stratum draws with its own hash of the image and the day: a redelivery draws the same, reposts share their draws,
and strata are independent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from pipeline.verdict import Status
from pipeline.wire.labels import SampleReason
from pipeline.wire.messages import VerdictEvent
from worker.common.draws import draw


@dataclass(frozen=True, slots=True)
class SamplingPolicy:
    low_confidence_below: float
    corrected_fraction: float
    low_confidence_fraction: float
    control_fraction: float
    blind_fraction: float
    daily_quota: int
    salt: bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """`inclusion_probability` = 1 - product(1 - p_s) over the strata that apply; a label weighs its inverse."""

    reasons: tuple[SampleReason, ...]
    inclusion_probability: float
    blind: bool


def list_strata(event: VerdictEvent, policy: SamplingPolicy) -> dict[SampleReason, float]:
    """List the strata that the verdict belongs to, each with its configured fraction; `review` is never one."""
    return dict(_find_strata(event, policy))


def decide(image_day: str, fractions: Mapping[SampleReason, float], policy: SamplingPolicy) -> Sample | None:
    """Draw an image on one day by the fractions in force in its strata; return None if no stratum draws it.

    What is drawn by some fractions is drawn by any higher ones as well.
    """
    drawn = tuple(reason for reason, fraction in fractions.items() if draw(reason, fraction, image_day, policy.salt))
    if not drawn:
        return None
    inclusion = 1 - prod(1 - fraction for fraction in fractions.values())
    return Sample(drawn, inclusion, draw("blind", policy.blind_fraction, image_day, policy.salt))


def _find_strata(event: VerdictEvent, policy: SamplingPolicy) -> Iterator[tuple[SampleReason, float]]:
    if event.confidence < policy.low_confidence_below or event.uncertain:
        yield SampleReason.LOW_CONFIDENCE, policy.low_confidence_fraction
    if event.corrected:
        yield SampleReason.CORRECTED, policy.corrected_fraction
    if event.status is Status.DEGRADED:
        yield SampleReason.DEGRADED, 1.0
    if event.status is Status.UNGROUNDED:
        yield SampleReason.UNGROUNDED, policy.corrected_fraction
    yield SampleReason.CONTROL, policy.control_fraction
