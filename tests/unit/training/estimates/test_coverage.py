"""Intervals of 400 runs on simulated traffic cover its known truth; it is sampled by the rules of the worker."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.verdicts import build_verdict
from training.estimates.calibration import BINS, estimate_ece
from training.estimates.estimate import LEAST_CASES
from training.estimates.intervals import estimate_mean
from training.estimates.quantities import ECE, MEANS, UNDECIDED, Outcomes
from worker.observe.telemetry import Metrics
from worker.sampling.case_draws import CaseDraws
from worker.sampling.daily_quota import FREE_SHARE, HALVINGS, PACED_SHARE
from worker.sampling.decision import SamplingPolicy

RUNS = 400
START = datetime(2026, 1, 1, tzinfo=UTC)
LEAST_RUNS = 200
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Design:
    """Traffic and the fractions of the strata; `quota` is the most low-confidence cases of the day, 0 for no limit."""

    images: int
    prevalence: float
    control: float
    low: float = 0.0
    corrected: float = 0.0
    quota: int = 0


DESIGNS = {
    "60 cases of control alone": Design(2000, 0.3, control=0.03),
    "270 cases of four strata": Design(2500, 0.3, control=0.06, low=0.25, corrected=0.2),
    "a rare class": Design(4000, 0.06, control=0.12, low=0.4, corrected=0.2),
    "a quota that bites": Design(3000, 0.3, control=0.06, low=1.0, quota=100),
    "2,000 cases": Design(4000, 0.2, control=0.45, low=0.6, corrected=0.3),
}


def draw_traffic(design: Design, rng: np.random.Generator) -> tuple[Outcomes, Bools, Bools]:
    """Draw images with verdicts, of which confident ones are wrong at times; return low confidence and corrected too.

    Shapes: [runs, images].
    """
    shape = (RUNS, design.images)
    prevalence = design.prevalence * rng.uniform(0.7, 1.3, (RUNS, 1))
    truth = rng.random(shape) < prevalence
    low = rng.random(shape) < 0.15
    confidence = np.where(low, rng.uniform(0.5, 0.75, shape), rng.uniform(0.85, 1, shape))
    rates = rng.uniform(0.5, 1.5, (RUNS, 1)) * np.where(low, 0.3, 0.05)
    generated = truth ^ (rng.random(shape) < rates)
    p = np.where(generated, confidence, 1 - confidence)
    blind = rng.random(shape) < 0.5
    outcomes = Outcomes(p, generated, low, blind, truth.astype(float), np.ones(shape, bool))
    return outcomes, low, rng.random(shape) < 0.05


def compute_inclusion(design: Design, low: Bools, corrected: Bools, rng: np.random.Generator) -> tuple[Floats, Bools]:
    """Return inclusion probability and draws; under a quota the fraction depends on the draws before."""
    fractions = np.where(low, design.low, 0.0)
    drawn = rng.random(low.shape) < fractions
    if design.quota:
        chances, taken = rng.random(low.shape), np.zeros(RUNS)
        step = design.quota * (1 - FREE_SHARE - PACED_SHARE) / HALVINGS
        for image in range(design.images):
            pace = design.quota * (FREE_SHARE + PACED_SHARE * image / design.images)
            limited = fractions[:, image] * 2.0 ** -np.maximum(0, (taken - pace) / step)
            fractions[:, image] = np.where(taken < design.quota, limited, 0)
            drawn[:, image] = chances[:, image] < fractions[:, image]
            taken += drawn[:, image]
    others = np.where(corrected, design.corrected, 0.0)
    drawn |= (rng.random(low.shape) < others) | (rng.random(low.shape) < design.control)
    return 1 - (1 - fractions) * (1 - others) * (1 - design.control), drawn


def keep_drawn(drawn: Bools, *columns: npt.NDArray[np.generic]) -> list[npt.NDArray[np.generic]]:
    """Move the drawn images to the front of each run, and cut the rest. Shapes: to [runs, most drawn]."""
    order = np.argsort(~drawn, axis=1, kind="stable")[:, : drawn.sum(1).max()]
    return [np.take_along_axis(column, order, 1) for column in columns]


def measure_coverage(design: Design, seed: int = 0) -> dict[str, tuple[float, int]]:
    """Return the share of runs whose interval holds the truth, and the number of runs, by quantity."""
    rng = np.random.default_rng(seed)
    traffic, low, corrected = draw_traffic(design, rng)
    inclusion, drawn = compute_inclusion(design, low, corrected, rng)
    columns = [getattr(traffic, name) for name in Outcomes.__slots__]
    *sampled, weights, kept = keep_drawn(drawn, *columns, np.where(drawn, 1 / inclusion, 0), drawn)
    cases = Outcomes(*sampled)  # type: ignore[arg-type]  # columns of several types
    covered = {}
    for quantity in MEANS:
        among, everywhere = quantity.among(cases) & kept, quantity.among(traffic)
        enough = among.sum(1) >= LEAST_CASES
        truth = (quantity.values(traffic) * everywhere).sum(1) / np.maximum(everywhere.sum(1), 1)
        found = estimate_mean(quantity.values(cases)[enough], weights[enough], among[enough])
        inside = (found.low <= truth[enough]) & (truth[enough] <= found.high)
        covered[quantity.name] = (float(inside.mean()) if enough.any() else 1.0, int(enough.sum()))
    ece = estimate_ece(cases.p_generated, cases.truth, weights, kept)
    true_ece = compute_ece(traffic)
    covered[ECE] = (float(((ece.low <= true_ece) & (true_ece <= ece.high)).mean()), RUNS)
    return covered


def compute_ece(traffic: Outcomes) -> Floats:
    """Compute the calibration error over all images, bin by bin."""
    bins = np.minimum((traffic.p_generated * BINS).astype(int), BINS - 1)
    gaps = [((bins == number) * (traffic.p_generated - traffic.truth)).mean(1) for number in range(BINS)]
    return np.abs(gaps).sum(0)


@pytest.mark.parametrize("name", DESIGNS)
def test_intervals_cover_the_truth_in_93_to_97_of_100_runs(name: str) -> None:
    covered = measure_coverage(DESIGNS[name])
    del covered[UNDECIDED]  # everything is decided here
    checked = {quantity: share for quantity, (share, runs) in covered.items() if runs >= LEAST_RUNS}
    assert len(checked) >= 8
    assert 0.91 <= checked.pop(ECE) <= 0.985  # a sum of absolute values: its interval is approximate
    # 400 runs themselves scatter by 1.1 points.
    assert {quantity: share for quantity, share in checked.items() if not 0.925 <= share <= 0.975} == {}
    assert 0.94 <= np.mean(list(checked.values())) <= 0.96


def test_a_sample_by_the_rules_of_the_worker_is_covered() -> None:
    """The worker's own draws, with its daily quota, in the place of arrays."""
    rng = np.random.default_rng(5)
    images, salts = 300, 60
    truth, low = rng.random(images) < 0.4, rng.random(images) < 0.3
    wrong = rng.random(images) < np.where(low, 0.3, 0.05)
    p = np.where(truth ^ wrong, np.where(low, 0.6, 0.95), np.where(low, 0.4, 0.05))
    verdicts = [
        build_verdict(
            event_id=str(number),
            sha256=f"{number:064x}",
            p_generated=float(p[number]),
            scan="real",
            check="real",
            zoomed=[(0, 0, 9, 9)],
            decided_at=START + timedelta(minutes=4 * number),
        )
        for number in range(images)
    ]
    inside = 0
    for salt in range(salts):
        draws = CaseDraws(build_policy(salt), Metrics())
        samples = [draws.draw(verdict) for verdict in verdicts]
        weights = np.array([1 / sample.inclusion_probability if sample else 0.0 for sample in samples])
        found = estimate_mean((~wrong).astype(float), weights, weights > 0)
        inside += bool(found.low <= (~wrong).mean() <= found.high)
    assert 0.88 * salts <= inside


def build_policy(salt: int) -> SamplingPolicy:
    return SamplingPolicy(
        low_confidence_below=0.75,
        corrected_fraction=0.2,
        low_confidence_fraction=0.8,
        control_fraction=0.3,
        blind_fraction=0.2,
        daily_quota=40,
        salt=str(salt).encode(),
    )
