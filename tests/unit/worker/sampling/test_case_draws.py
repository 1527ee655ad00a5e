from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
import structlog

from pipeline.verdict import Status
from pipeline.wire.labels import SampleReason
from pipeline.wire.messages import VerdictEvent
from tests.support.verdicts import build_verdict
from tests.unit.worker.sampling.test_decision import policy
from worker.observe.telemetry import Metrics
from worker.sampling.case_draws import CaseDraws
from worker.sampling.decision import SamplingPolicy

Floats = npt.NDArray[np.float64]
DAY = datetime(2026, 1, 1, tzinfo=UTC)
CORRECTED = policy(corrected_fraction=1.0)
REGIONS = [(0, 0, 9, 9)]
"""so that the verdict is not ungrounded"""


def see(
    image: int, event_id: str = "", *, at: datetime = DAY, corrected: bool = True, source: str = "web"
) -> VerdictEvent:
    check = "generated" if corrected else "real"
    verdict = build_verdict(
        event_id=event_id or f"event-{image}",
        check=check,
        zoomed=REGIONS,
        decided_at=at,
        timestamp_ms=int(at.timestamp() * 1000),
        source=source,
    )
    return verdict.model_copy(update={"image": verdict.image.model_copy(update={"sha256": f"{image:064x}"})})


def count(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_repost_has_no_case_of_its_own_until_the_next_day() -> None:
    metrics = Metrics()
    draws = CaseDraws(CORRECTED, metrics)
    assert draws.draw(see(1, "first"))
    assert draws.draw(see(1, "again")) is None
    assert draws.draw(see(2, "another image"))
    assert draws.draw(see(1, "tomorrow", at=DAY + timedelta(days=1)))
    assert count(metrics, "zoomin_label_cases_withheld_total", cause="repost") == 1


def test_a_redelivery_gets_the_same_sample_although_the_quota_is_spent_by_now() -> None:
    draws = CaseDraws(policy(corrected_fraction=1.0, daily_quota=1), Metrics())
    sample = draws.draw(see(1))
    assert sample
    assert draws.draw(see(2)) is None
    assert draws.draw(see(1)) == sample


def test_an_image_that_the_quota_cut_is_not_drawn_by_a_repost_at_a_higher_fraction() -> None:
    drawn = 0
    for seed in range(20):
        draws = CaseDraws(policy(corrected_fraction=1.0, daily_quota=4, salt=b"%d" % seed), Metrics())  # type: ignore[arg-type]
        early = [image for image in range(1, 20) if draws.draw(see(image)) is None]
        drawn += sum(draws.draw(see(image, "again", at=DAY + timedelta(hours=23))) is not None for image in early)
    assert drawn == 0


def test_workers_with_one_salt_draw_the_same_images() -> None:
    shares = policy(corrected_fraction=0.5)
    first, second = (
        [CaseDraws(shares, Metrics()).draw(see(image, f"{worker}-{image}")) is not None for image in range(100)]
        for worker in "ab"
    )
    assert first == second
    assert 0 < sum(first) < 100


def test_the_oldest_images_are_forgotten_and_images_that_nothing_draws_need_no_memory() -> None:
    draws = CaseDraws(CORRECTED, Metrics(), most_remembered=2)
    assert draws.draw(see(1))
    assert all(draws.draw(see(image, corrected=False)) is None for image in range(100, 110))
    assert draws.draw(see(1, "again")) is None
    assert all(draws.draw(see(image)) for image in (2, 3))
    assert draws.draw(see(1, "later")), "two others were seen since"


def test_quota_cuts_are_counted_by_reason_and_a_spent_quota_is_logged_once() -> None:
    metrics = Metrics()
    draws = CaseDraws(policy(corrected_fraction=1.0, daily_quota=2), metrics)
    with structlog.testing.capture_logs() as lines:
        drawn = [image for image in range(3000) if draws.draw(see(image, at=DAY + timedelta(seconds=28 * image)))]
    assert len(drawn) == 2
    cuts = {
        limit: count(metrics, "zoomin_label_quota_cuts_total", reason="corrected", limit=limit)
        for limit in ("pace", "spent")
    }
    assert cuts["pace"] > 0
    assert sum(cuts.values()) == 2998
    assert [(line["event"], line["source"], line["reason"]) for line in lines] == [
        ("label_quota_spent", "web", "corrected")
    ]


# The estimates that the cases of a day give


QUOTA, WORKERS, SEEDS = 3, 2, 200


@dataclass(frozen=True, slots=True)
class Sighting:
    worker: int
    verdict: VerdictEvent
    right: bool
    generated: bool


def build_day(sightings: int = 280) -> list[Sighting]:
    """Build a day with a burst in which the model errs more often, reposts, two sources, and far too many strata."""
    rng = np.random.default_rng(8)
    base = see(0)
    in_burst = rng.random(sightings) < 0.5
    seconds = np.sort(np.where(in_burst, rng.uniform(50_000, 51_800, sightings), rng.uniform(0, 86_400, sightings)))
    images = [int(rng.integers(0, max(1, number - 1))) if rng.random() < 0.2 else number for number in range(sightings)]
    late = seconds > 50_000
    generated = rng.random(sightings) < np.where(late, 0.5, 0.2)
    right = rng.random(sightings) < np.where(late, 0.7, 0.95)
    unsure = rng.random(sightings) < np.where(right, 0.3, 0.8) + np.where(generated, 0.2, 0.0)
    corrected = rng.random(sightings) < 0.3
    day = []
    for number, image in enumerate(images):
        at = DAY + timedelta(seconds=float(seconds[number]))
        verdict = base.model_copy(
            update={
                "verdict_id": f"verdict-{number}",
                "confidence": 0.6 if unsure[image] else 0.9,
                "corrected": bool(corrected[image]),
                "status": Status.COMPLETE,
                "source": "web" if image % 3 else "app",
                "image": base.image.model_copy(update={"sha256": f"{image:064x}"}),
                "record": base.record.model_copy(update={"timestamp_ms": int(at.timestamp() * 1000)}),
                "decided_at": at,
            }
        )
        day.append(Sighting(int(rng.integers(WORKERS)), verdict, bool(right[image]), bool(generated[image])))
    return day


@dataclass(frozen=True, slots=True)
class Drawn:
    weights: Floats
    naive_weights: Floats
    values: Floats
    most_of_a_quota: int


def draw_day(day: list[Sighting], changed: SamplingPolicy) -> Drawn:
    """Draw one day's cases; the naive weight takes the fractions of the settings for those in force."""
    workers = [CaseDraws(changed, Metrics()) for _ in range(WORKERS)]
    drawn = [(seen, sample) for seen in day if (sample := workers[seen.worker].draw(seen.verdict))]
    taken: dict[tuple[int, str | None, SampleReason], int] = {}
    for seen, sample in drawn:
        for reason in set(sample.reasons) - {SampleReason.CONTROL}:
            account = (seen.worker, seen.verdict.source, reason)
            taken[account] = taken.get(account, 0) + 1
    in_stratum = [seen.verdict.corrected or seen.verdict.confidence < changed.low_confidence_below for seen, _ in drawn]
    return Drawn(
        np.array([1 / sample.inclusion_probability for _, sample in drawn]),
        np.where(in_stratum, 1.0, 1 / changed.control_fraction),
        np.array([(seen.right, seen.generated) for seen, _ in drawn], dtype=float),
        max(taken.values()),
    )


@pytest.fixture(scope="module")
def day() -> list[Sighting]:
    return build_day()


@pytest.fixture(scope="module")
def rounds(day: list[Sighting]) -> list[Drawn]:
    return [
        draw_day(
            day,
            policy(
                low_confidence_below=0.75,
                low_confidence_fraction=1.0,
                corrected_fraction=1.0,
                control_fraction=0.15,
                daily_quota=QUOTA,
                salt=b"%d" % seed,  # type: ignore[arg-type]
            ),
        )
        for seed in range(SEEDS)
    ]


def list_units(day: list[Sighting]) -> Floats:
    """List correctness and truth of what a case stands for: each image once in each worker that saw it."""
    units = {(seen.worker, seen.verdict.image.sha256): (seen.right, seen.generated) for seen in day}
    return np.array(list(units.values()), dtype=float)


def estimate_error(drawn: Drawn, column: int) -> float:
    """Estimate the standard error of a weighted mean of independent draws with their own probabilities."""
    values, weights = drawn.values[:, column], drawn.weights
    deviations = values - np.average(values, weights=weights)
    return float(np.sqrt((weights * (weights - 1) * deviations**2).sum()) / weights.sum())


def test_the_quota_bites_and_is_kept(day: list[Sighting], rounds: list[Drawn]) -> None:
    unsure = [s for s in day if s.worker == 0 and s.verdict.source == "web" and s.verdict.confidence < 0.75]
    assert len(unsure) > 10 * QUOTA
    assert max(drawn.most_of_a_quota for drawn in rounds) <= QUOTA


def test_weights_count_each_image_once_a_day_and_worker(day: list[Sighting], rounds: list[Drawn]) -> None:
    totals = np.array([drawn.weights.sum() for drawn in rounds])
    assert abs(totals.mean() - len(list_units(day))) < 3 * totals.std() / np.sqrt(SEEDS)


@pytest.mark.parametrize("column", [0, 1], ids=["accuracy", "prevalence"])
def test_weighted_estimates_are_unbiased_and_their_intervals_hold(
    day: list[Sighting], rounds: list[Drawn], column: int
) -> None:
    true = list_units(day)[:, column].mean()
    estimates = np.array([np.average(drawn.values[:, column], weights=drawn.weights) for drawn in rounds])
    naive = np.array([np.average(drawn.values[:, column], weights=drawn.naive_weights) for drawn in rounds])
    errors = [estimate_error(drawn, column) for drawn in rounds]
    spread = estimates.std() / np.sqrt(SEEDS)
    assert abs(estimates.mean() - true) < 3 * spread
    assert abs(naive.mean() - true) > 5 * spread, "this day does not tell right weights from wrong ones"
    assert np.mean(abs(estimates - true) < 1.96 * np.array(errors)) > 0.9
