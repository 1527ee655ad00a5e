import pytest

from training.common.resampling import Metric
from training.stages import claims, differences
from training.stages.arms import ARMS, START
from training.stages.claims import CLAIMS


def test_claims_name_arms_and_metrics_that_exist() -> None:
    assert {name for claim in CLAIMS for name in (claim.arm, claim.against)} <= {START, *ARMS}
    assert {claim.metric for claim in CLAIMS} <= differences.METRICS.keys()
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize(
    ("bounds", "by_seed", "rising", "falling"),
    [
        ((0.01, 0.05), [0.02, 0.04], "confirmed", "contradicted"),
        ((-0.05, -0.01), [-0.02, -0.04], "contradicted", "confirmed"),
        ((-0.01, 0.05), [0.02, 0.02], "no difference seen", "no difference seen"),
        ((0.01, 0.05), [0.07, -0.01], "no difference seen", "no difference seen"),
        ((-0.05, -0.01), [-0.07, 0.0], "no difference seen", "no difference seen"),
        ((0.0, 0.0), [0.0, 0.0], "no difference seen", "no difference seen"),
        ((0.01, 0.05), [0.03, 0.02, None], "confirmed", "contradicted"),
        ((0.01, 0.05), [0.03, None], "one seed: not decided", "one seed: not decided"),
        ((-0.05, -0.01), [-0.03], "one seed: not decided", "one seed: not decided"),
        ((-0.01, 0.05), [0.02], "no difference seen", "no difference seen"),
    ],
)
def test_the_interval_and_every_seed_have_to_agree(
    bounds: tuple[float, float], by_seed: list[float | None], rising: str, falling: str
) -> None:
    difference = Metric(sum(bounds) / 2, *bounds, 100)
    seeds = dict(enumerate(by_seed))
    assert claims.decide_claim(1, difference, seeds) == rising
    assert claims.decide_claim(-1, difference, seeds) == falling


def test_without_a_difference_a_claim_is_not_tested() -> None:
    assert claims.decide_claim(1, Metric(None, None, None, 0), {0: None}) == "not tested"
