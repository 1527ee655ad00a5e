from itertools import count

import pytest

from pipeline.wire.labels import SampleReason
from tests.support.verdicts import build_verdict
from worker.sampling.decision import SamplingPolicy, decide

OFF = SamplingPolicy(
    low_confidence_below=0.0,
    corrected_fraction=0.0,
    low_confidence_fraction=0.0,
    control_fraction=0.0,
    blind_fraction=0.0,
    salt=b"salt",
)


def policy(**changes: float) -> SamplingPolicy:
    values = {name: getattr(OFF, name) for name in OFF.__slots__}
    return SamplingPolicy(**{**values, **changes})  # type: ignore[arg-type]


def test_nothing_is_drawn_when_everything_is_off() -> None:
    assert decide(build_verdict(zoomed=[(0, 0, 9, 9)]), OFF) is None


@pytest.mark.parametrize(
    ("event", "changes", "reason"),
    [
        ({"scan": "real", "check": "generated", "zoomed": [(0, 0, 9, 9)]}, {"corrected_fraction": 1.0}, "corrected"),
        ({"scan": "real", "check": None}, {}, "degraded"),
        ({"scan": "real", "check": "real"}, {"corrected_fraction": 1.0}, "ungrounded"),
        ({"zoomed": [(0, 0, 9, 9)], "uncertain": True}, {"low_confidence_fraction": 1.0}, "low_confidence"),
        ({"zoomed": [(0, 0, 9, 9)]}, {"control_fraction": 1.0}, "control"),
    ],
)
def test_each_stratum_is_drawn_for_its_own_reason(
    event: dict[str, object], changes: dict[str, float], reason: str
) -> None:
    sample = decide(build_verdict(**event), policy(**changes))  # type: ignore[arg-type]
    assert sample is not None
    assert sample.reasons == (SampleReason(reason),)


def test_a_stratum_draws_its_share_and_the_same_again() -> None:
    events = [build_verdict(event_id=f"e{i}", zoomed=[(0, 0, 9, 9)]) for i in range(2000)]
    drawn = [decide(event, policy(control_fraction=0.25)) is not None for event in events]
    assert 0.21 < sum(drawn) / len(drawn) < 0.29
    assert drawn == [decide(event, policy(control_fraction=0.25)) is not None for event in events]


def test_decisions_are_independent_of_each_other() -> None:
    both = policy(control_fraction=0.5, corrected_fraction=0.5)
    samples = [decide(build_verdict(event_id=f"e{i}", zoomed=[(0, 0, 9, 9)]), both) for i in range(2000)]
    neither = sum(sample is None for sample in samples) / len(samples)
    assert 0.21 < neither < 0.29, "two independent halves leave a quarter"
    drawn = [sample for sample in samples if sample]
    assert all(sample.inclusion_probability == 0.75 for sample in drawn)


def test_the_salt_decides_who_is_drawn() -> None:
    chosen = [
        {i for i in range(200) if decide(build_verdict(event_id=f"e{i}"), policy(control_fraction=0.5, salt=salt))}  # type: ignore[arg-type]
        for salt in (b"one", b"two")
    ]
    assert chosen[0] != chosen[1]


def test_a_fifth_of_the_cases_is_blind() -> None:
    everyone = policy(control_fraction=1.0, blind_fraction=0.2)
    samples = (decide(build_verdict(event_id=f"e{i}"), everyone) for i in count())
    blind = [sample.blind for sample, _ in zip(samples, range(2000), strict=False) if sample]
    assert 0.17 < sum(blind) / len(blind) < 0.23
