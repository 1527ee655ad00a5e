from dataclasses import replace

import pytest

from pipeline.verdict import Verdict
from tests.support.gate_evidence import build_model, build_predictions, mark
from training.gate.evidence import Evidence, Fault, Pair

R, G = Verdict.REAL, Verdict.GENERATED


def pair_up(real: int, generated: int) -> Pair:
    predictions = build_predictions([True] * real, label=R) + build_predictions([True] * generated, label=G)
    return Pair(predictions, predictions)


def test_both_have_to_answer_about_the_same_images_in_the_same_order() -> None:
    champion = build_model(golden=mark(4))
    swapped = {"golden": {**champion.sets["golden"], "own": champion.sets["golden"]["own"][::-1]}}
    with pytest.raises(ValueError, match="same images in the same order"):
        Evidence(champion, replace(champion, sets=swapped))


def test_sets_are_pooled_one_after_the_other() -> None:
    evidence = Evidence(build_model(golden=mark(4), base=mark(6)), build_model(golden=mark(4), base=mark(6)))
    assert [len(evidence.pair(name)) for name in ("golden", "base", "new")] == [4, 6, 0]
    assert len(evidence.pool("golden", "base", "new")) == 10


def test_images_are_selected_by_label_and_source() -> None:
    pair = Pair(*[build_predictions(mark(4)) + build_predictions(mark(6), source="app")] * 2)
    assert len(pair.select(R)) == 5
    assert len(pair.select(R, "app")) == 3


@pytest.mark.parametrize(
    ("real", "generated", "fault"),
    [
        (20, 20, None),
        (0, 0, Fault("there is no golden set; name one with --golden")),
        (50, 0, Fault("the golden set holds only real images; add generated ones", 20)),
        (0, 50, Fault("the golden set holds only generated images; add real ones", 20)),
        (12, 50, Fault("the golden set holds 12 real images, and needs 20 of each class", 8)),
        (12, 3, Fault("the golden set holds 12 real and 3 generated images, and needs 20 of each class", 25)),
    ],
)
def test_a_set_that_cannot_be_judged_says_why(real: int, generated: int, fault: Fault | None) -> None:
    assert pair_up(real, generated).find_fault("golden set", "--golden", 20) == fault
