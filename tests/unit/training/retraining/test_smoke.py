from dataclasses import replace

from pipeline.verdict import Verdict
from tests.support.labeled_images import build_image
from training.evaluation.metrics import Prediction
from training.retraining.smoke import choose_smoke_images, read_smoke_images

ENTRIES = [build_image(number) for number in range(12)]
OTHER = {Verdict.REAL: Verdict.GENERATED, Verdict.GENERATED: Verdict.REAL}
RIGHT = [Prediction(entry.label, entry.label, entry.label, (), ()) for entry in ENTRIES]


def test_as_many_are_of_each_class() -> None:
    chosen = choose_smoke_images(ENTRIES, RIGHT, RIGHT, 4)
    assert [entry.label for entry in chosen] == [Verdict.REAL, Verdict.GENERATED] * 2


def test_an_image_on_which_either_model_errs_in_either_query_is_no_question() -> None:
    ours = [replace(RIGHT[0], scan_verdict=OTHER[RIGHT[0].label]), *RIGHT[1:]]
    theirs = [RIGHT[0], replace(RIGHT[1], check_verdict=None), *RIGHT[2:]]
    chosen = choose_smoke_images(ENTRIES, ours, theirs, 2)
    assert chosen == ENTRIES[2:4]


def test_the_most_certain_come_first() -> None:
    ours = [replace(each, p_generated=0.6 if each.label is Verdict.GENERATED else 0.4) for each in RIGHT]
    ours[10], ours[11] = replace(ours[10], p_generated=0.01), replace(ours[11], p_generated=0.99)
    assert choose_smoke_images(ENTRIES, ours, RIGHT, 2) == ENTRIES[10:12]


def test_questions_are_read_back_from_a_result() -> None:
    (image,) = read_smoke_images([{"image": "set/images/a.png", "verdict": "real"}])
    assert (str(image.path), image.verdict) == ("set/images/a.png", Verdict.REAL)
