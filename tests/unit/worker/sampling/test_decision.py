import pytest

from pipeline.wire.labels import SampleReason
from pipeline.wire.messages import VerdictEvent
from tests.support.verdicts import build_verdict
from worker.sampling.decision import Sample, SamplingPolicy, decide, list_strata

OFF = SamplingPolicy(
    low_confidence_below=0.0,
    corrected_fraction=0.0,
    low_confidence_fraction=0.0,
    control_fraction=0.0,
    blind_fraction=0.0,
    daily_quota=0,
    salt=b"salt",
)


def policy(**changes: float) -> SamplingPolicy:
    values = {name: getattr(OFF, name) for name in OFF.__slots__}
    return SamplingPolicy(**{**values, **changes})  # type: ignore[arg-type]


def decide_for(event: VerdictEvent, changed: SamplingPolicy, image_day: str = "20260101ab") -> Sample | None:
    return decide(image_day, list_strata(event, changed), changed)


def test_nothing_is_drawn_when_everything_is_off() -> None:
    assert decide_for(build_verdict(zoomed=[(0, 0, 9, 9)]), OFF) is None


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
    sample = decide_for(build_verdict(**event), policy(**changes))  # type: ignore[arg-type]
    assert sample is not None
    assert sample.reasons == (SampleReason(reason),)


def test_review_is_no_stratum() -> None:
    everything = policy(low_confidence_below=1.0, corrected_fraction=1.0, low_confidence_fraction=1.0)
    events = [
        build_verdict(scan="real", check=check, zoomed=zoomed, uncertain=True)
        for check in ("real", "generated", None)
        for zoomed in ([(0, 0, 9, 9)], [])
    ]
    found = {reason for event in events for reason in list_strata(event, everything)}
    assert found == set(SampleReason) - {SampleReason.REVIEW}


def test_a_stratum_draws_its_share_and_the_same_again() -> None:
    drawn = [decide(f"image-{i}", {SampleReason.CONTROL: 0.25}, OFF) is not None for i in range(2000)]
    assert 0.21 < sum(drawn) / len(drawn) < 0.29
    assert drawn == [decide(f"image-{i}", {SampleReason.CONTROL: 0.25}, OFF) is not None for i in range(2000)]


def test_a_lower_fraction_draws_nothing_that_a_higher_one_does_not() -> None:
    few, many = (
        {i for i in range(500) if decide(f"image-{i}", {SampleReason.CORRECTED: fraction}, OFF)}
        for fraction in (0.2, 0.6)
    )
    assert few < many


def test_decisions_are_independent_of_each_other() -> None:
    both = {SampleReason.CONTROL: 0.5, SampleReason.CORRECTED: 0.5}
    samples = [decide(f"image-{i}", both, OFF) for i in range(2000)]
    neither = sum(sample is None for sample in samples) / len(samples)
    assert 0.21 < neither < 0.29, "two independent halves leave a quarter"
    drawn = [sample for sample in samples if sample]
    assert all(sample.inclusion_probability == 0.75 for sample in drawn)


def test_the_salt_decides_who_is_drawn() -> None:
    half = {SampleReason.CONTROL: 0.5}
    chosen = [
        {i for i in range(200) if decide(f"image-{i}", half, policy(salt=salt))}  # type: ignore[arg-type]
        for salt in (b"one", b"two")
    ]
    assert chosen[0] != chosen[1]


def test_a_fifth_of_the_cases_is_blind() -> None:
    fifth = policy(blind_fraction=0.2)
    samples = [decide(f"image-{i}", {SampleReason.CONTROL: 1.0}, fifth) for i in range(2000)]
    blind = [sample.blind for sample in samples if sample]
    assert 0.17 < sum(blind) / len(blind) < 0.23
