import numpy as np
import pytest

from pipeline.wire.labels import LabelVerdict
from tests.support.labels import build_case, build_label
from tests.support.verdicts import build_verdict
from training.estimates.estimate import LEAST_CASES, WeighedCases, estimate_all
from training.estimates.sampled_cases import LeftOutCases, SampledCases, collect_cases
from training.labeling.adjudication import adjudicate
from training.labeling.cases import AdjudicatedCase


def build_cases(count: int, *, unsure: int = 0, pending: int = 0) -> SampledCases:
    """Build cases of which every fifth is generated and every tenth has a wrong verdict; sources take turns."""
    found = []
    for number in range(count + unsure + pending):
        generated = number % 5 == 0
        says = generated ^ (number % 10 == 3)
        event = build_verdict(
            event_id=str(number), sha256=f"{number:064x}", source=f"s{number % 2}", p_generated=0.9 if says else 0.1
        )
        case = build_case(event, inclusion_probability=0.05, blind=number % 2 == 0)
        truth = LabelVerdict.GENERATED if generated else LabelVerdict.REAL
        labels = [build_label(case, verdict=truth if number < count else LabelVerdict.UNSURE)]
        found.append(AdjudicatedCase(case, adjudicate(labels if number < count + unsure else [])))
    return collect_cases(found, LeftOutCases())


def test_all_quantities_are_estimated() -> None:
    report = estimate_all(WeighedCases.build(build_cases(400)))
    quantities = report["quantities"]
    assert quantities["prevalence"]["value"] == pytest.approx(0.2)
    assert quantities["accuracy"]["value"] == pytest.approx(0.9)
    assert quantities["accuracy"]["low"] < 0.9 < quantities["accuracy"]["high"]
    assert quantities["accuracy"]["effective"] == pytest.approx(400, rel=0.1)
    assert quantities["accuracy"]["labels_to_halve"] == pytest.approx(3 * 400, rel=0.1)
    assert quantities["false_positive_rate"]["n"] == 320
    assert [row["n"] for row in report["reliability"]] == [280, 120]


def test_too_few_cases_have_no_number_and_say_how_many_are_missing() -> None:
    quantities = estimate_all(WeighedCases.build(build_cases(LEAST_CASES)))["quantities"]
    assert quantities["accuracy"]["value"] is not None
    assert quantities["false_negative_rate"]["value"] is None
    assert quantities["false_negative_rate"]["n"] == 6
    assert quantities["false_negative_rate"]["labels_to_estimate"] == 24 * 5
    few = estimate_all(WeighedCases.build(build_cases(LEAST_CASES - 1)))
    assert few["quantities"]["accuracy"]["value"] is None
    assert few["quantities"]["accuracy"]["labels_to_estimate"] == 1
    assert few["reliability"] == []


def test_undecided_cases_are_a_range_and_no_guess() -> None:
    report = estimate_all(WeighedCases.build(build_cases(90, unsure=10)))
    accuracy = report["quantities"]["accuracy"]
    assert accuracy["value"] == pytest.approx(0.9)
    assert accuracy["range"] == pytest.approx([0.81, 0.91])
    assert report["quantities"]["undecided"]["value"] == pytest.approx(0.1)
    assert report["cases"]["response_rate"] == 1


def test_pending_cases_are_no_part_of_the_range() -> None:
    report = estimate_all(WeighedCases.build(build_cases(90, pending=30)))
    assert report["cases"]["pending"] == 30
    assert report["cases"]["response_rate"] == 0.75
    assert report["quantities"]["accuracy"]["range"] == pytest.approx([0.9, 0.9])


def test_a_group_has_its_own_estimates_by_the_weights_of_all() -> None:
    weighed = WeighedCases.build(build_cases(200, pending=40))
    groups = dict(weighed.split("source"))
    assert list(groups) == ["s0", "s1"]
    assert sum(len(group.cases) for group in groups.values()) == 240
    assert np.concatenate([group.weights for group in groups.values()]).sum() == pytest.approx(weighed.weights.sum())
    assert estimate_all(groups["s1"])["quantities"]["accuracy"]["n"] == 100


def test_without_cases_nothing_is_estimated() -> None:
    report = estimate_all(WeighedCases.build(build_cases(0)))
    assert report["cases"]["sampled"] == 0
    assert {quantity["value"] for quantity in report["quantities"].values()} == {None}
    assert report["quantities"]["accuracy"]["labels_to_estimate"] is None
