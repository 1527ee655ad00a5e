from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry import Size
from pipeline.verdict import Verdict
from training.dataset import matched_sizes
from training.dataset.matched_sizes import SizedImage

R, G = Verdict.REAL, Verdict.GENERATED
SIDES = st.integers(64, 5000)
IMAGES = st.lists(st.tuples(st.sampled_from([R, G]), st.tuples(SIDES, SIDES)), max_size=40)


def build(*images: tuple[Verdict, Size]) -> list[SizedImage]:
    return [SizedImage(label, size, f"{number:04x}") for number, (label, size) in enumerate(images)]


def test_the_large_class_comes_to_the_sizes_and_shapes_of_the_photographs() -> None:
    images = build((R, (500, 375)), (G, (1024, 1024)), (R, (640, 480)), (G, (1024, 1024)))
    assert matched_sizes.match_sizes(images) == [(500, 375), (500, 375), (640, 480), (640, 480)]


def test_large_photographs_come_to_the_resolution_of_small_generated_images() -> None:
    images = build((R, (3000, 2250)), (G, (1024, 1024)))
    assert matched_sizes.match_sizes(images) == [(1024, 768)] * 2


def test_classes_of_the_same_sizes_stay_as_they_are() -> None:
    sizes = [(4032, 3024), (3024, 4032), (1920, 1080), (800, 800)]
    images = build(*((label, size) for size in sizes for label in (R, G)))
    assert matched_sizes.match_sizes(images) == [image.size_px for image in images]


def test_a_panorama_makes_no_stripe_of_the_other_class() -> None:
    assert matched_sizes.match_sizes(build((R, (9000, 600)), (G, (900, 900)))) == [(900, 300)] * 2


def test_the_order_of_the_files_plays_no_part() -> None:
    rng = np.random.default_rng(0)
    sizes = enumerate(rng.integers(64, 2000, (60, 2)).tolist())
    images = build(*(((R, G)[n % 3 == 0], (width, height)) for n, (width, height) in sizes))
    order = rng.permutation(len(images))
    matched = matched_sizes.match_sizes(images)
    assert matched_sizes.match_sizes([images[n] for n in order]) == [matched[n] for n in order]


@pytest.mark.parametrize("images", [[], [(R, (640, 480))]])
def test_one_class_alone_stays_as_it_is(images: list[tuple[Verdict, Size]]) -> None:
    assert matched_sizes.match_sizes(build(*images)) == [size for _, size in images]


@given(IMAGES)
def test_no_image_is_enlarged_and_each_size_is_both_classes(drawn: list[tuple[Verdict, Size]]) -> None:
    images = build(*drawn)
    matched = matched_sizes.match_sizes(images)
    for image, size in zip(images, matched, strict=True):
        assert all(1 <= side <= own for side, own in zip(size, image.size_px, strict=True))
    own = {label: {matched[n] for n, image in enumerate(images) if image.label is label} for label in (R, G)}
    if all(own.values()):
        assert own[R] == own[G]


def test_both_classes_have_each_size_equally_often() -> None:
    images = build(*((label, (100 + n, 90 + n)) for n in range(20) for label in (R, G, G, G)))
    counts = Counter(zip([image.label for image in images], matched_sizes.match_sizes(images), strict=True))
    assert {counts[G, size] / counts[R, size] for _, size in counts} == {3.0}
