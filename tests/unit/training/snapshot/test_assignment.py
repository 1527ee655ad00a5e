from collections import Counter
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.dataset.duplicates import NEAR_BITS, Fingerprint
from training.dataset.labeled_image import Split
from training.snapshot import assignment
from training.snapshot.assignment import BETWEEN_SPLITS, NEAR_GOLDEN, Assignment, Picture, SplitAssigner

STEP = NEAR_BITS // 2 + 5
"""bits between neighbours on a line: they are near, and those two steps apart are not"""
OPPOSITE = (b"\xaa" * 32).hex()


def build_hash(place: int) -> str:
    """Place a picture on a line of 256 bits, on which the distance of two pictures is their difference."""
    bits = np.zeros(256, np.uint8)
    bits[:place] = 1
    return np.packbits(bits).tobytes().hex()


def build_picture(number: int, place: int, *, is_control: bool = False) -> Picture:
    sha256 = f"{number:064x}"
    return Picture(sha256, sha256, Fingerprint(build_hash(place), OPPOSITE), is_control)


def measure(a: Assignment, b: Assignment) -> int:
    return (int(a.perceptual_hash, 16) ^ int(b.perceptual_hash, 16)).bit_count()


pictures = st.lists(st.tuples(st.integers(0, 256), st.booleans()), max_size=40).map(
    lambda drawn: [build_picture(n, place, is_control=control) for n, (place, control) in enumerate(drawn)]
)


@given(pictures, st.data())
def test_growing_moves_no_picture_and_puts_no_near_duplicates_on_both_sides(
    drawn: list[Picture], data: st.DataObject
) -> None:
    """Labels come in any order: each snapshot knows some of the pictures, and the next one more of them."""
    order = data.draw(st.permutations(drawn))
    nights = data.draw(st.lists(st.integers(0, len(drawn)), max_size=4).map(sorted))
    earlier: list[Assignment] = []
    splits: dict[str, Split] = {}
    for count in (*nights, len(drawn)):
        assigner = SplitAssigner(earlier, golden_fraction=0.5)
        labeled = sorted(order[:count], key=lambda picture: picture.sha256)
        results = [(picture, assigner.assign(picture)) for picture in labeled]
        chosen = {picture.sha256: found for picture, found in results if isinstance(found, Assignment)}
        for sha256, found in chosen.items():
            assert splits.setdefault(sha256, found.split) is found.split
        for a, b in combinations(chosen.values(), 2):
            assert a.split is b.split or measure(a, b) > NEAR_BITS
        assert splits.keys() <= chosen.keys(), "what was in the set stays in it"
        assert all(
            picture.is_control
            for picture, found in results
            if isinstance(found, Assignment) and found.split is Split.GOLDEN
        )
        earlier = assigner.assignments


def test_a_picture_between_two_splits_is_left_out_and_one_of_a_group_follows_it() -> None:
    numbers = {split: next(n for n in range(999) if draw(n) is split) for split in (Split.TRAIN, Split.TEST)}
    assigner = SplitAssigner((), golden_fraction=0.0)
    first = assigner.assign(build_picture(numbers[Split.TRAIN], 0))
    other = assigner.assign(build_picture(numbers[Split.TEST], 2 * STEP))
    assert isinstance(first, Assignment)
    assert isinstance(other, Assignment)
    assert (first.split, other.split) == (Split.TRAIN, Split.TEST)
    assert assigner.assign(build_picture(1000, STEP)) == BETWEEN_SPLITS
    follower = assigner.assign(build_picture(1001, 2 * STEP + 20))
    assert isinstance(follower, Assignment)
    assert (follower.group, follower.split) == (other.group, Split.TEST)


def test_golden_pictures_come_from_the_control_sample_alone() -> None:
    assigner = SplitAssigner((), golden_fraction=1.0)
    first = assigner.assign(build_picture(1, 0, is_control=True))
    assert isinstance(first, Assignment)
    assert first.split is Split.GOLDEN
    assert assigner.assign(build_picture(2, STEP)) == NEAR_GOLDEN
    repeated = assigner.assign(build_picture(1, 0))
    assert repeated == NEAR_GOLDEN, "the same picture, drawn for another reason"
    alone = assigner.assign(build_picture(3, 200))
    assert isinstance(alone, Assignment)
    assert alone.split is not Split.GOLDEN


def test_splits_have_their_shares() -> None:
    counts = Counter(draw(number, golden_fraction=0.2) for number in range(5000))
    assert abs(counts[Split.GOLDEN] / 5000 - 0.2) < 0.02
    others = counts.total() - counts[Split.GOLDEN]
    assert abs(counts[Split.TRAIN] / others - 0.8) < 0.02
    assert abs(counts[Split.TEST] / others - 0.1) < 0.02


def draw(number: int, golden_fraction: float = 0.0) -> Split:
    return assignment.draw_split(f"{number:064x}", golden_fraction)
