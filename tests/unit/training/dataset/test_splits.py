from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict import Verdict
from training.dataset import splits
from training.dataset.splits import Member
from training.dataset.tuples import Split

numbers = st.lists(st.tuples(st.sampled_from(list(Verdict)), st.integers(0, 30)), max_size=80)


def members(drawn: list[tuple[Verdict, int]]) -> list[Member]:
    return [Member(f"{place:064x}", label, group) for place, (label, group) in enumerate(drawn)]


@given(numbers, st.integers(0, 5))
def test_no_group_is_in_two_splits(drawn: list[tuple[Verdict, int]], seed: int) -> None:
    own = members(drawn)
    chosen = splits.assigned(own, seed=seed)
    by_group: dict[int, set[Split]] = {}
    for member, split in zip(own, chosen, strict=True):
        by_group.setdefault(member.group, set()).add(split)
    assert all(len(found) == 1 for found in by_group.values())
    assert chosen == splits.assigned(own, seed=seed)


def test_both_classes_have_their_shares_in_each_split() -> None:
    own = [Member(f"{n:064x}", Verdict.GENERATED if n % 5 == 0 else Verdict.REAL, n) for n in range(1000)]
    counts = Counter((split, member.label) for member, split in zip(own, splits.assigned(own, seed=0), strict=True))
    assert [counts[split, Verdict.REAL] for split in Split] == [640, 80, 80]
    assert [counts[split, Verdict.GENERATED] for split in Split] == [160, 20, 20]


def test_the_smallest_set_that_is_allowed_fills_every_split() -> None:
    own = [Member(f"{n:064x}", list(Verdict)[n % 2], n) for n in range(40)]
    assert Counter(splits.assigned(own, seed=3)) == {Split.TRAIN: 32, Split.VALIDATION: 4, Split.TEST: 4}


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_every_split_has_both_classes_where_there_are_three_of_each(count: int) -> None:
    own = [Member(f"{n:064x}", list(Verdict)[n % 2], n) for n in range(2 * count)]
    chosen = {(split, member.label) for member, split in zip(own, splits.assigned(own, seed=0), strict=True)}
    assert len(chosen) == 6


def test_a_large_group_goes_where_there_is_room_for_it() -> None:
    own = [Member(f"{n:064x}", list(Verdict)[n % 2], max(n, 30)) for n in range(100)]
    chosen = splits.assigned(own, seed=0)
    assert chosen[0] is Split.TRAIN
    assert Counter(chosen) == {Split.TRAIN: 80, Split.VALIDATION: 10, Split.TEST: 10}


def test_the_order_of_images_does_not_matter_and_the_seed_does() -> None:
    own = [Member(f"{n * 7919:064x}", list(Verdict)[n % 2], n) for n in range(200)]
    chosen = splits.assigned(own, seed=0)
    assert splits.assigned(own[::-1], seed=0) == chosen[::-1]
    assert splits.assigned(own, seed=1) != chosen
