import pytest

from tests.support.verdicts import build_verdict
from training.estimates.features import FEATURES, KEYWORDS, RATES, TITLES, measure_boxes_area

BOXES = [(0, 0, 256, 512), (0, 0, 128, 128)]
BINS = {feature.name: feature.find_bin for feature in FEATURES}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("p_generated", "0.9 and more"),
        ("generated", "yes"),
        ("corrected", "yes"),
        ("uncertain", "no"),
        ("confidence", "0.95 and more"),
        ("boxes", "2 and more"),
        ("boxes_area", "0.4 and more"),
        ("format", "png"),
        ("size", "0.25 MP and more"),
        ("source", "web"),
    ],
)
def test_a_verdict_falls_in_one_bin_of_each_feature(name: str, expected: str) -> None:
    assert BINS[name](build_verdict(zoomed=BOXES)) == expected


def test_no_box_is_a_bin_of_its_own() -> None:
    verdict = build_verdict()
    assert BINS["boxes"](verdict) == "below 1"
    assert BINS["boxes_area"](verdict) == "below 0.0001"


def test_the_area_of_boxes_is_a_share_of_the_image() -> None:
    assert measure_boxes_area(build_verdict(zoomed=[(0, 0, 256, 256)])) == 0.25
    assert measure_boxes_area(build_verdict(zoomed=[(0, 0, 512, 512)] * 3)) == 1


def test_a_verdict_without_a_source_has_one_bin() -> None:
    assert BINS["source"](build_verdict(source=None)) == "none"


def test_every_feature_has_a_title() -> None:
    assert set(TITLES) == BINS.keys() | {KEYWORDS}
    assert {"generated", "corrected", "uncertain"} == RATES
