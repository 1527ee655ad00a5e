from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict import Verdict
from pipeline.wire.labels import SampleReason
from tests.support.labeled_images import build_case_origin, build_image
from training.dataset.duplicates import Fingerprint, KnownPictures
from training.dataset.faults import MIXED_LABELS
from training.dataset.labeled_image import Split
from training.labeling.download import DELETED
from training.snapshot import selection
from training.snapshot.assignment import Picture, SplitAssigner, draw_split
from training.snapshot.selection import IN_BASE, REPEATED, Candidate

HASHES = [f"{'00' * n}{'ff' * (32 - n)}" for n in (0, 10, 20)]


def build_candidate(
    number: int,
    *,
    picture: int | None = None,
    label: Verdict = Verdict.REAL,
    control: bool = False,
    perceptual_hash: str = HASHES[0],
) -> Candidate:
    sha256 = f"{number if picture is None else picture:064x}"
    fingerprint = Fingerprint(perceptual_hash, "0f" * 32)
    recorded_at = datetime(2026, 1, 1, 0, number, tzinfo=UTC)
    return Candidate(
        f"key-{number}", f"case-{number}", recorded_at, label, Picture(sha256, sha256, fingerprint, control)
    )


def select(
    candidates: list[Candidate], *, deleted: tuple[str, ...] = (), base: tuple[str, ...] = ()
) -> tuple[list[str], dict[str, str]]:
    """Return the keys of the cases that are selected, and the reasons of the others."""
    selected = selection.select_cases(
        candidates, deleted=deleted, base=KnownPictures(base), assigner=SplitAssigner((), golden_fraction=0.2)
    )
    return [case.key for case in selected.cases], {one.name: one.reason for one in selected.left_out}


def test_one_case_of_a_picture_is_taken_a_control_case_first() -> None:
    candidates = [build_candidate(1, picture=7), build_candidate(2, picture=7, control=True)]
    assert select(candidates) == (["key-2"], {"case-1": REPEATED})


def test_a_picture_with_two_verdicts_is_left_out() -> None:
    candidates = [build_candidate(1, picture=7), build_candidate(2, picture=7, label=Verdict.GENERATED)]
    assert select(candidates) == ([], {"case-1": MIXED_LABELS, "case-2": MIXED_LABELS})


def test_deleted_pictures_and_those_of_the_base_are_left_out() -> None:
    candidates = [build_candidate(number, perceptual_hash=HASHES[number]) for number in range(3)]
    result = select(candidates, deleted=(candidates[0].picture.source_sha256,), base=(HASHES[1],))
    assert result == (["key-2"], {"case-0": DELETED, "case-1": IN_BASE})


@given(st.permutations([build_candidate(number, perceptual_hash=HASHES[number % 3]) for number in range(9)]))
def test_the_order_of_the_bucket_changes_nothing(candidates: list[Candidate]) -> None:
    in_order = sorted(candidates, key=lambda candidate: candidate.recorded_at)
    assert select(candidates) == select(in_order)


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.5, 10), (0.75, 30), (0.99, 60)])
def test_the_base_has_its_share_of_each_split_as_far_as_it_goes(share: float, count: int) -> None:
    images = [build_image(number, split=Split.TRAIN) for number in range(60)]
    images += [build_image(number, split=Split.TEST) for number in range(60, 80)]
    chosen = selection.choose_base(images, Counter({Split.TRAIN: 10, Split.GOLDEN: 50}), share)
    assert [image.split for image in chosen] == [Split.TRAIN] * count
    fewer = selection.choose_base(images, Counter({Split.TRAIN: 5}), share)
    assert {image.file for image in fewer} <= {image.file for image in chosen}


def test_a_candidate_is_read_from_the_image_of_a_case() -> None:
    image = build_image(1, case=build_case_origin(case_id="c", reasons=[SampleReason.CORRECTED]))
    candidate = selection.build_candidate("k", image, "0f" * 32)
    assert (candidate.case_id, candidate.picture.is_control) == ("c", False)
    assert candidate.picture.fingerprint == Fingerprint("22" * 32, "0f" * 32)


@pytest.mark.parametrize("split", [Split.GOLDEN, Split.TRAIN])
def test_a_picture_keeps_its_split_when_a_later_base_has_it_and_the_base_gives_way(split: Split) -> None:
    """Otherwise the base might train on a picture by which every checkpoint of the place is measured."""
    candidate = next(
        candidate
        for candidate in (build_candidate(number, control=True) for number in range(50))
        if draw_split(candidate.picture.sha256, 0.2) is split
    )
    earlier = SplitAssigner((), golden_fraction=0.2)
    selection.select_cases([candidate], deleted=(), base=KnownPictures(), assigner=earlier)
    base = KnownPictures([HASHES[1], HASHES[0]])
    later = SplitAssigner(earlier.assignments, golden_fraction=0.2)
    selected = selection.select_cases([candidate], deleted=(), base=base, assigner=later)
    assert [case.assignment.split for case in selected.cases] == [split]
    assert (selected.left_out, selected.displaced) == ([], {1})
