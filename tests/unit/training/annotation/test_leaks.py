import re

import pytest

from pipeline.errors import BadSettings, InternalFault, ZoomInError
from training.annotation.format_leak import Leak
from training.annotation.leaks import Leaks
from training.common.resampling import Metric
from training.dataset.frame import FrameOptions
from training.dataset.placement import Frame

CHANCE, SURE = Metric(0.5, 0.4, 0.6, 80), Metric(0.95, 0.9, 0.98, 80)


def build(frame: Frame, *, matched: bool, files: Metric = CHANCE, spectrum: Metric = CHANCE) -> Leaks:
    by_feature = {"mode": CHANCE, "width_px": files}
    return Leaks(FrameOptions(frame, matched), Leak(SURE, {}), Leak(files, by_feature), spectrum)


def test_a_set_that_reveals_nothing_passes_without_a_word() -> None:
    leaks = build("full", matched=True)
    leaks.refuse(accepted=False)
    assert leaks.warning == ""


@pytest.mark.parametrize(
    ("leaks", "error", "words"),
    [
        (build("512", matched=False, spectrum=SURE), BadSettings, "band energies alone .* --sizes matched, or add"),
        (
            build("full", matched=False, files=SURE),
            BadSettings,
            r"width_px most of all \(0.950 .*\); build it with --sizes matched",
        ),
        (
            build("full", matched=True, files=SURE),
            InternalFault,
            r"width_px most of all \(0.950 .*\); remove its images",
        ),
        (
            build("512", matched=False, files=SURE),
            InternalFault,
            r"width_px most of all \(0.950 .*\); remove its images",
        ),
    ],
)
def test_a_set_that_reveals_its_labels_is_refused_with_the_cure(
    leaks: Leaks, error: type[ZoomInError], words: str
) -> None:
    with pytest.raises(error) as refused:
        leaks.refuse(accepted=False)
    assert re.search(words, refused.value.detail)


def test_one_feature_is_refused_where_all_together_are_at_chance() -> None:
    after = Leak(CHANCE, {"mode": CHANCE, "metadata": Metric(0.7, 0.63, 0.76, 600)})
    with pytest.raises(InternalFault, match="metadata most of all"):
        Leaks(FrameOptions("full", match_sizes=True), Leak(SURE, {}), after, CHANCE).refuse(accepted=False)


def test_sizes_of_their_own_are_used_knowingly() -> None:
    build("512", matched=False, spectrum=SURE).refuse(accepted=True)
    build("full", matched=False, files=SURE, spectrum=SURE).refuse(accepted=True)


def test_matched_sizes_whose_pictures_differ_in_fineness_are_warned_of() -> None:
    leaks = build("full", matched=True, spectrum=SURE)
    leaks.refuse(accepted=False)
    assert "their sizes are matched" in leaks.warning
    assert "--sizes matched" in build("512", matched=False, spectrum=SURE).warning
