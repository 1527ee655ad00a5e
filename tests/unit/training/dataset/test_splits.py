from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict import Verdict
from tests.support.labeled_images import build_image
from training.dataset import splits
from training.dataset.labeled_image import LabeledImage, Split

numbers = st.lists(st.tuples(st.sampled_from(list(Verdict)), st.integers(0, 30)), max_size=80)


def build_member(number: int, label: Verdict, group: int) -> LabeledImage:
    return build_image(number, label=label, group=str(group), split=None)


def build_members(drawn: list[tuple[Verdict, int]]) -> list[LabeledImage]:
    return [build_member(place, label, group) for place, (label, group) in enumerate(drawn)]


@given(numbers, st.integers(0, 5))
def test_no_group_is_in_two_splits(drawn: list[tuple[Verdict, int]], seed: int) -> None:
    own = build_members(drawn)
    chosen = splits.assign_splits(own, seed=seed)
    by_group: dict[str, set[Split]] = {}
    for image in chosen:
        assert image.split is not None
        by_group.setdefault(image.require_provenance().group, set()).add(image.split)
    assert all(len(found) == 1 for found in by_group.values())
    assert chosen == splits.assign_splits(own, seed=seed)


def test_both_classes_have_their_shares_in_each_split() -> None:
    own = [build_member(n, Verdict.GENERATED if n % 5 == 0 else Verdict.REAL, n) for n in range(1000)]
    counts = Counter((image.split, image.label) for image in splits.assign_splits(own, seed=0))
    assert [counts[split, Verdict.REAL] for split in splits.SHARES] == [640, 80, 80]
    assert [counts[split, Verdict.GENERATED] for split in splits.SHARES] == [160, 20, 20]


def test_the_smallest_set_that_is_allowed_fills_every_split() -> None:
    own = [build_member(n, list(Verdict)[n % 2], n) for n in range(40)]
    assert Counter(image.split for image in splits.assign_splits(own, seed=3)) == {
        Split.TRAIN: 32,
        Split.VALIDATION: 4,
        Split.TEST: 4,
    }


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_every_split_has_both_classes_where_there_are_three_of_each(count: int) -> None:
    own = [build_member(n, list(Verdict)[n % 2], n) for n in range(2 * count)]
    chosen = {(image.split, image.label) for image in splits.assign_splits(own, seed=0)}
    assert len(chosen) == 6


def test_a_large_group_goes_where_there_is_room_for_it() -> None:
    own = [build_member(n, list(Verdict)[n % 2], max(n, 30)) for n in range(100)]
    chosen = splits.assign_splits(own, seed=0)
    assert chosen[0].split is Split.TRAIN
    assert Counter(image.split for image in chosen) == {Split.TRAIN: 80, Split.VALIDATION: 10, Split.TEST: 10}


def test_the_order_of_images_does_not_matter_and_the_seed_does() -> None:
    own = [build_member(n * 7919, list(Verdict)[n % 2], n) for n in range(200)]
    chosen = splits.assign_splits(own, seed=0)
    assert splits.assign_splits(own[::-1], seed=0) == chosen[::-1]
    assert splits.assign_splits(own, seed=1) != chosen
