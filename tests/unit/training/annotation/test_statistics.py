import pytest

from pipeline.verdict import Verdict
from tests.support.labeled_images import build_image
from training.annotation import statistics
from training.dataset.labeled_image import Split


def test_the_paper_s_figures() -> None:
    half = (0, 0, 512, 256)
    figures = statistics.compute_statistics(
        [
            build_image(0, boxes=[half, (0, 0, 51, 51)]),
            build_image(2, boxes=[], explanation=""),
            build_image(1, boxes=[half], split=Split.TEST, group="g"),
            build_image(3, boxes=[half] * 12, group="g"),
        ]
    )
    assert (figures.whole.images, figures.whole.explained) == (4, 3)
    assert (figures.whole.with_box, figures.whole.boxes) == (0.75, 15 / 4)
    real = figures.by_label[Verdict.REAL]
    assert (real.with_box, real.boxes) == (0.5, 1.0)
    assert real.areas["0% to 1%"] == 1
    assert real.areas["40% to 50%"] == 1
    assert real.area_median == pytest.approx(0.5)
    assert figures.by_label[Verdict.GENERATED].boxes_per_image["8 or more"] == 1
    assert figures.by_split[Split.TEST] == {Verdict.REAL: 0, Verdict.GENERATED: 1}
    assert (figures.groups, figures.grouped) == (3, 2)


def test_an_empty_set_has_no_figures() -> None:
    figures = statistics.compute_statistics([])
    assert (figures.whole.images, figures.whole.with_box, figures.whole.area_median) == (0, 0.0, None)


def test_keywords_count_explanations_not_words() -> None:
    counts = statistics.count_keywords(["Shadows and shadow, the glass", "A shadow on the texture", "its glass is gas"])
    assert dict(counts) == {"shadow": 2, "glass": 2, "texture": 1, "gas": 1}


def test_both_classes_count_the_same_words() -> None:
    figures = statistics.compute_statistics(
        [build_image(0, explanation="odd shadows"), build_image(1, explanation="odd hands")]
    )
    assert figures.by_label[Verdict.REAL].keywords == {"odd": 1, "shadow": 1, "hand": 0}
    assert figures.by_label[Verdict.GENERATED].keywords == {"odd": 1, "shadow": 0, "hand": 1}
