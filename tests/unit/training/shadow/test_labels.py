import pytest

from pipeline.wire.labels import LabelVerdict
from tests.support.labels import build_case, build_label
from tests.support.shadow_pools import CHALLENGER, build_judged, build_pool
from training.estimates.sampled_cases import LeftOutCases, SampledCases, collect_cases
from training.labeling.adjudication import adjudicate
from training.labeling.cases import AdjudicatedCase
from training.shadow.judged_events import join_events
from training.shadow.labels import compare_with_labels

EVENTS = 80
CHAMPION_WRONG, CHALLENGER_WRONG = frozenset(range(10)), frozenset(range(8, 12))


def label(number: int, probability: float = 0.1) -> AdjudicatedCase:
    """Label an event: every second one is generated."""
    case = build_case(build_judged(f"event-{number}", 0.5), inclusion_probability=probability)
    truth = LabelVerdict.GENERATED if number % 2 else LabelVerdict.REAL
    return AdjudicatedCase(case, adjudicate([build_label(case, verdict=truth)]))


def judge(wrong: frozenset[int], revision: str) -> list[object]:
    return [
        build_judged(f"event-{n}", 0.9 if (n % 2 == 1) != (n in wrong) else 0.1, revision=revision)
        for n in range(EVENTS)
    ]


POOLS = [build_pool(*judge(CHAMPION_WRONG, "sha256:0")), build_pool(*judge(CHALLENGER_WRONG, CHALLENGER))]  # type: ignore[arg-type]
JOINED = join_events(POOLS[0].judged, POOLS[1].judged)


def collect(*found: AdjudicatedCase) -> SampledCases:
    return collect_cases(found, LeftOutCases())


def test_both_are_measured_on_the_same_labels_and_mcnemar_counts_who_is_right_alone() -> None:
    compared = compare_with_labels(collect(*map(label, range(EVENTS))), *JOINED)
    assert (compared["sampled"], compared["decided"]) == (EVENTS, EVENTS)
    assert compared["champion"]["value"] == pytest.approx(70 / 80)
    assert compared["challenger"]["value"] == pytest.approx(76 / 80)
    difference = compared["difference"]
    assert difference["value"] == pytest.approx(6 / 80)
    assert difference["low"] < 6 / 80 < difference["high"]
    test = compared["mcnemar"]
    assert (test["both"], test["only_champion"], test["only_challenger"], test["neither"]) == (68, 2, 8, 2)
    assert test["p"] == pytest.approx(0.109375)


def test_cases_weigh_the_inverse_of_their_probability() -> None:
    found = [label(n, probability=0.9 if n in CHAMPION_WRONG else 0.1) for n in range(EVENTS)]
    compared = compare_with_labels(collect(*found), *JOINED)
    assert compared["champion"]["value"] == pytest.approx(700 / (700 + 10 / 0.9), abs=1e-3)


def test_labels_of_other_events_do_not_count_and_few_give_no_number() -> None:
    found = [label(n) for n in (*range(12), *range(1000, 1100))]
    compared = compare_with_labels(collect(*found), *JOINED)
    assert compared["decided"] == 12
    assert compared["champion"] == {"value": None, "low": None, "high": None, "n": 12}
    assert compared["difference"]["value"] is None
    assert compared["mcnemar"]["only_challenger"] == 8


def test_without_any_label_nothing_is_claimed() -> None:
    compared = compare_with_labels(collect(), *JOINED)
    assert (compared["sampled"], compared["decided"], compared["mcnemar"]["p"]) == (0, 0, 1.0)


def test_a_repost_counts_once_in_mcnemar() -> None:
    events = [build_judged(name, 0.9) for name in ("first", "second")]
    same = [event.model_copy(update={"image": events[0].image}) for event in events]
    cases = [build_case(event.model_copy(update={"verdict_id": event.event_id})) for event in same]
    found = [AdjudicatedCase(case, adjudicate([build_label(case)])) for case in cases]
    champion = build_pool(*(build_judged(name, 0.1) for name in ("first", "second")))
    challenger = build_pool(*events)
    compared = compare_with_labels(collect(*found), *join_events(champion.judged, challenger.judged))
    assert (compared["decided"], compared["mcnemar"]["only_challenger"]) == (2, 1)
