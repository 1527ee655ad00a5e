from dataclasses import replace
from functools import partial

import pytest

from pipeline.verdict import Verdict
from tests.support.gate_evidence import build_model, build_passes, build_prediction, mark
from training.gate import accuracy_rows
from training.gate.demands import Demands
from training.gate.evidence import OWN, Evidence, ModelEvidence
from training.gate.findings import build_row
from training.gate.table import GateRow, RowName, SetName

ALIKE = mark(800, range(40))
WORSE = mark(800, range(90))
"""wrong on fifty images more"""
BETTER = mark(800, range(5))
DEMANDS = Demands(golden_may_fall=0.01, base_may_fall=0.01, fpr_may_rise=0.02)
JUDGES = {
    "golden": accuracy_rows.judge_golden,
    "base": accuracy_rows.judge_base,
    "new": accuracy_rows.judge_new_kinds,
    **{row.value: partial(accuracy_rows.judge_perturbed, row=row) for row in accuracy_rows.PERTURBED},
    "overlay": accuracy_rows.judge_overlay,
    "fpr": accuracy_rows.judge_fpr,
    "fpr_by_source": accuracy_rows.judge_fpr_by_source,
}
OF_GOLDEN = [name for name in JUDGES if name not in ("base", "new")]


def judge(name: str, champion: ModelEvidence, challenger: ModelEvidence, demands: Demands = DEMANDS) -> GateRow:
    row_name = RowName.NEW_KINDS if name == "new" else RowName(name)
    return build_row(row_name, JUDGES[name](Evidence(champion, challenger), demands), demands)


@pytest.mark.parametrize("name", ["golden", "base", "new"])
@pytest.mark.parametrize(
    ("rights", "better", "not_worse"), [(BETTER, True, True), (ALIKE, False, True), (WORSE, False, False)]
)
def test_acc_on_a_set(name: str, rights: list[bool], better: bool, not_worse: bool) -> None:
    row = judge(name, build_model(**{name: ALIKE}), build_model(**{name: rights}))
    assert (row.result == "passed") == (better if name == "new" else not_worse)
    assert row.images == 800
    assert "McNemar p = " in row.detail


def test_the_difference_is_that_of_the_published_verdicts() -> None:
    """A calibration can turn a verdict around, and what users see decides."""
    champion = build_model(golden=ALIKE)
    overruled = [replace(prediction, overruled=True) for prediction in champion.sets["golden"][OWN]]
    challenger = replace(champion, sets={"golden": {**champion.sets["golden"], OWN: overruled}})
    row = judge("golden", champion, challenger)
    assert row.result == "failed"
    assert row.measured is not None
    assert row.measured.value == pytest.approx(-0.9)


def test_few_images_say_how_many_are_missing() -> None:
    row = judge("golden", build_model(golden=mark(100)), build_model(golden=mark(100)))
    assert (row.result, row.missing_images) == ("failed", 168), "z^2 / .01 - z^2 in all"


def test_on_new_kinds_an_equal_model_lacks_no_images() -> None:
    row = judge("new", build_model(new=ALIKE), build_model(new=ALIKE))
    assert (row.result, row.missing_images) == ("failed", 0)


def test_new_kinds_that_seem_better_on_few_images_lack_some() -> None:
    row = judge("new", build_model(new=mark(60, range(3))), build_model(new=mark(60, range(2))))
    assert row.result == "failed"
    assert 60 < row.missing_images < 300


@pytest.mark.parametrize("name", JUDGES)
def test_without_a_set_there_is_one_sentence(name: str) -> None:
    row = judge(name, build_model(), build_model())
    if name == "fpr_by_source":
        assert (row.result, row.detail) == ("passed", "no source is so large; the largest has 0")
        return
    assert (row.result, row.images) == ("failed", 0)
    assert row.detail.startswith("there is no ")
    assert "; name one with --" in row.detail


@pytest.mark.parametrize("name", OF_GOLDEN)
def test_an_equal_model_passes_each_row_of_the_golden_set(name: str) -> None:
    row = judge(name, build_model(golden=ALIKE), build_model(golden=ALIKE))
    assert row.result == "passed", row.detail


@pytest.mark.parametrize("name", OF_GOLDEN)
def test_a_worse_model_fails_each_row_of_the_golden_set(name: str) -> None:
    row = judge(name, build_model(golden=ALIKE), build_model(golden=mark(800, range(140))))
    assert row.result == "failed"
    assert row.missing_images == 0


def test_a_perturbed_row_looks_at_its_own_copies() -> None:
    champion, broken = build_model(golden=ALIKE), build_passes(WORSE)
    challenger = replace(champion, sets={"golden": {**champion.sets["golden"], "crop": broken[OWN]}})
    assert judge("crop", champion, challenger).result == "failed"
    assert judge("jpeg_30", champion, challenger).result == "passed"


def test_an_image_stands_a_text_if_it_stands_all_of_them() -> None:
    champion = build_model(golden=ALIKE)
    fooled = build_passes(WORSE)[accuracy_rows.OVERLAYS[0]]
    challenger = replace(champion, sets={"golden": {**champion.sets["golden"], accuracy_rows.OVERLAYS[2]: fooled}})
    row = judge("overlay", champion, challenger)
    assert (row.result, row.images) == ("failed", 400)


def test_false_alarms_of_both_sets_count_and_misses_do_not() -> None:
    misses = [number % 2 == 0 or right for number, right in enumerate(WORSE)]
    assert next(iter(Verdict)) is Verdict.REAL
    alike = build_model(golden=mark(800), base=mark(800))
    assert judge("fpr", alike, build_model(golden=misses, base=misses)).images == 800
    worst = judge("fpr", alike, build_model(golden=mark(800), base=WORSE))
    assert (worst.result, worst.detail) == ("failed", "false positives of the champion 0, of the challenger 45")
    missing_generated = [number % 2 == 0 for number in range(800)]
    assert judge("fpr", alike, build_model(golden=missing_generated, base=mark(800))).result == "passed"


def build_sources(**wrong: int) -> ModelEvidence:
    """Build 250 real images of each source, the first so many taken for generated."""
    own = [
        replace(build_prediction(number, Verdict.REAL, right=number >= count, source=source), file=f"{source}{number}")
        for source, count in wrong.items()
        for number in range(250)
    ]
    names: list[SetName] = ["golden"]
    return ModelEvidence({names[0]: {OWN: own}}, [], 1)


def test_one_bad_source_is_named() -> None:
    row = judge("fpr_by_source", build_sources(web=2, app=2), build_sources(web=2, app=14))
    assert (row.result, row.images) == ("failed", 250)
    assert row.detail == "app is the worst of 2; false positives of the champion 2, of the challenger 14"
    assert judge("fpr_by_source", build_sources(web=2, app=2), build_sources(web=3, app=2)).result == "passed"


def test_small_sources_are_not_judged() -> None:
    demands = Demands(source_images=251)
    row = judge("fpr_by_source", build_sources(web=0), build_sources(web=100), demands)
    assert (row.result, row.detail) == ("passed", "no source is so large; the largest has 250")


def test_a_set_of_one_class_fails_with_one_sentence() -> None:
    only = build_sources(web=0)
    assert judge("golden", only, only).detail == "the golden set holds only real images; add generated ones"
    assert judge("overlay", only, only).detail == "the golden set holds only real images; add generated ones"
