from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.checkpoint import Calibration, CheckpointCard, Scaling
from pipeline.confidence import logit, sigmoid
from pipeline.errors import BadSettings
from pipeline.verdict import RgbImage, Verdict
from tests.support.builders import build_noise
from tests.support.engines import DigestEngine
from tests.support.labeled_images import build_image
from training.dataset import frame, manifest
from training.dataset.labeled_image import Split
from training.evaluation import calibrate, calibration_metrics, calibration_report, evaluate, samples
from training.evaluation.calibration_metrics import ScoredPredictions
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample

REAL, GENERATED = Verdict.REAL, Verdict.GENERATED
CARD = CheckpointCard(max_crops=3, threshold=0.4, metrics={"acc": {"value": 0.9}})


def overconfident(
    seed: int, count: int, *, by: float = 3.0, shift: float = 0.0, source: str | None = None
) -> list[Prediction]:
    """Answers whose true log-odds are z, while the model says `by` * (z - shift)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, count)
    generated = rng.random(count) < 1 / (1 + np.exp(-z))
    return [
        answer(is_generated, sigmoid(by * (at - shift)), source) for is_generated, at in zip(generated, z, strict=True)
    ]


def answer(generated: bool, raw: float, source: str | None = None) -> Prediction:
    label, verdict = (GENERATED if flag else REAL for flag in (generated, raw > 0.5))
    return Prediction(label, verdict, verdict, (), (), raw, raw, source=source)


def test_the_scaling_that_spoiled_the_odds_is_found() -> None:
    found = calibrate.fit_scaling(overconfident(1, 20_000, by=3.0, shift=0.5), prevalence=None)
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    assert found.bias == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("prevalence", [None, 0.05])
def test_no_neighbour_is_more_likely(prevalence: float | None) -> None:
    predictions = overconfident(2, 400)
    scored = ScoredPredictions.build(predictions, prevalence=prevalence)
    odds = np.array([logit(prediction.p_generated_raw or 0.0) for prediction in predictions])

    def loss(temperature: float, bias: float) -> float:
        z = odds / temperature + bias
        prior = ((1 / temperature - 1) ** 2 + bias**2) / 2
        return float(scored.shares @ (np.logaddexp(0, z) - scored.generated * z)) + prior

    found = calibrate.fit_scaling(predictions, prevalence=prevalence)
    least = loss(found.temperature, found.bias)
    for step in (0.9, 0.99, 1.01, 1.1):
        assert loss(found.temperature * step, found.bias) > least
    for step in (-0.1, -0.01, 0.01, 0.1):
        assert loss(found.temperature, found.bias + step) > least


@pytest.mark.parametrize(("prevalence", "temperature", "bias"), [(None, 3.10312, 0.09640), (0.05, 3.70986, -2.67144)])
def test_the_fit_is_that_of_newton_s_method(prevalence: float | None, temperature: float, bias: float) -> None:
    found = calibrate.fit_scaling(overconfident(2, 400), prevalence=prevalence)
    assert (found.temperature, found.bias) == pytest.approx((temperature, bias), abs=1e-3)


def test_calibration_helps_on_images_it_did_not_see() -> None:
    fitted = calibrate.fit_card(overconfident(3, 2000), CARD, prevalence=None, risk=0.05)
    before, after = calibrate.compare_calibrations(overconfident(4, 2000), CARD, fitted, prevalence=None)
    for name in ("nll", "brier", "ece"):
        assert (after[name].value or 0.0) < (before[name].value or 0.0)
    assert set(calibration_report.REPORTED) <= before.keys() <= after.keys()
    drop = after["nll_drop"]
    assert drop.value == pytest.approx((before["nll"].value or 0.0) - (after["nll"].value or 0.0))
    assert (drop.low or 0.0) > 0
    assert after["auroc"].value == pytest.approx(before["auroc"].value)
    assert (after["acc_certain"].value or 0.0) > 0.94 > (before["acc_certain"].value or 1.0)
    assert 0.0 < (after["uncertain"].value or 0.0) < 1.0


def test_everything_else_on_the_card_stays() -> None:
    fitted = calibrate.fit_card(overconfident(3, 400), CARD, prevalence=None, risk=0.02)
    fitted_fields = {"calibration", "scan_calibration", "uncertain_between"}
    assert fitted.model_dump(exclude=fitted_fields) == CARD.model_dump(exclude=fitted_fields)
    assert CheckpointCard.model_validate_json(fitted.model_dump_json()) == fitted


def test_query_1_is_fitted_to_its_own_odds() -> None:
    """The calibration of one query says nothing about the other: Query 1 knows less, and is as sure of it."""
    checks, scans = overconfident(3, 2000, by=2.0), overconfident(13, 2000, by=5.0, shift=0.5)
    both = [
        replace(check, label=scan.label, scan_p_generated_raw=scan.p_generated_raw, p_generated_raw=check.p_generated)
        for check, scan in zip(checks, scans, strict=True)
    ]
    scan_calibration = calibrate.fit_scan_calibration(both, prevalence=None)
    assert scan_calibration == calibrate.fit_scaling(scans, prevalence=None)
    assert scan_calibration.temperature == pytest.approx(5.0, rel=0.2)


@pytest.mark.parametrize("scan_p", [None, 0.5])
def test_query_1_is_not_calibrated_where_its_odds_say_nothing(scan_p: float | None) -> None:
    predictions = [replace(prediction, scan_p_generated_raw=scan_p) for prediction in overconfident(3, 400)]
    fitted = calibrate.fit_card(predictions, CARD, prevalence=None, risk=0.05)
    assert (fitted.scan_calibration, fitted.decide_scan(0.3).p_generated) == (None, 0.3)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_the_range_lies_around_the_card_s_threshold(threshold: float) -> None:
    card = CARD.model_copy(update={"threshold": threshold})
    low, high = calibrate.fit_card(overconfident(3, 2000), card, prevalence=None, risk=0.05).uncertain_between or (1, 0)
    assert low <= threshold <= high


def test_the_images_that_are_needed_are_counted_in_both_halves() -> None:
    few = overconfident(3, 200)
    fitted = calibrate.fit_card(few, CARD, prevalence=None, risk=0.02)
    assert fitted.uncertain_between == (0.0, 1.0)
    needed = calibrate.count_images_needed(few, fitted, prevalence=None, risk=0.02)
    assert set(needed) == set(Verdict)
    for images in needed.values():
        assert images is not None
        assert images % (2 * 200) == 0
    enough = calibrate.fit_card(overconfident(3, 5000), CARD, prevalence=None, risk=0.05)
    assert calibrate.count_images_needed(overconfident(3, 5000), enough, prevalence=None, risk=0.05) == {}


def test_a_prevalence_moves_the_odds_by_its_own() -> None:
    predictions = overconfident(5, 20_000)
    even, rare = (calibrate.fit_scaling(predictions, prevalence=prevalence) for prevalence in (0.5, 0.05))
    assert rare.bias - even.bias == pytest.approx(logit(0.05), abs=0.15)


def test_classes_that_do_not_overlap_get_a_finite_temperature() -> None:
    apart = [answer(number % 2 == 1, 0.9 if number % 2 else 0.1) for number in range(200)]
    found = calibrate.fit_scaling(apart, prevalence=None)
    assert 0.99 < sigmoid(logit(0.9) / found.temperature + found.bias) < 0.999
    extreme = [answer(number % 2 == 1, float(number % 2)) for number in range(200)]
    assert calibrate.fit_scaling(extreme, prevalence=None).temperature == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("prevalence", [None, 0.2])
def test_odds_that_are_right_are_left_as_they_are(prevalence: float | None) -> None:
    """Also where most are far out, as a good model's are: they must not be drawn in."""
    rng = np.random.default_rng(12)
    z = rng.normal(0, 12, 4000)
    predictions = [answer(bool(rng.random() < sigmoid(at)), sigmoid(at)) for at in z]
    found = calibrate.fit_scaling(predictions, prevalence=prevalence)
    assert found.temperature == pytest.approx(1.0, abs=0.15)
    assert found.bias == pytest.approx(logit(prevalence or 0.5), abs=0.25)


def test_a_source_with_enough_images_has_a_scaling_of_its_own() -> None:
    web, few = overconfident(6, 2000, by=1.0, source="web"), overconfident(7, 60, source="few")
    nameless = overconfident(8, 2000, by=4.0)
    calibration = calibrate.fit_card(web + few + nameless, CARD, prevalence=None, risk=0.05).calibration
    assert calibration is not None
    assert set(calibration.per_source) == {"web"}
    assert calibration.per_source["web"].temperature == pytest.approx(1.0, rel=0.2)
    assert calibration.temperature > 1.5


@pytest.mark.parametrize("source", ["ADM", None])
async def test_the_source_of_a_built_set_s_image_chooses_its_scaling_as_in_the_worker(
    tmp_path: Path, source: str | None
) -> None:
    digest = frame.write_frame(tmp_path, build_noise(512, 512))
    manifest.write_manifest(tmp_path, [build_image(0, sha256=digest, source=source, split=Split.VALIDATION)])
    drawn = samples.read_samples(tmp_path, 9, split=Split.VALIDATION)
    own = Calibration(temperature=2.0, per_source={"ADM": Scaling(temperature=4.0, bias=1.0)})
    card = CheckpointCard(calibration=own)
    (prediction,) = (await evaluate.predict(drawn, DigestEngine(card), concurrency=1, passes=evaluate.OWN))["own"]
    assert prediction.source == source
    scaling = own.per_source["ADM"] if source else own
    raw = prediction.p_generated_raw or 0.0
    assert (
        prediction.p_generated
        == sigmoid(logit(raw) / scaling.temperature + scaling.bias)
        == card.decide_check(raw, source).p_generated
    )


def test_what_is_promised_is_kept_on_images_it_did_not_see() -> None:
    fitted = calibrate.fit_card(overconfident(9, 2000), CARD, prevalence=0.2, risk=0.05)
    after = calibration_metrics.compute_calibration_metrics(
        [prediction.recalibrate(fitted) for prediction in overconfident(10, 2000)], prevalence=0.2
    )
    assert (after["acc_certain"].value or 0.0) > 0.94


def test_too_few_or_one_sided_is_refused_with_the_counts() -> None:
    one_sided = [answer(False, 0.2)] * 500 + [answer(True, 0.9)] * 12
    with pytest.raises(BadSettings, match="500 real and 12 generated; calibration needs 50 of each"):
        calibrate.fit_card(one_sided, CARD, prevalence=None, risk=0.02)
    unread = [Prediction(GENERATED, REAL, None, (), ())] * 500 + [answer(False, 0.2)] * 500
    with pytest.raises(BadSettings, match="500 real and 0 generated"):
        calibrate.fit_card(unread, CARD, prevalence=None, risk=0.02)


@pytest.mark.parametrize("rises", [-1.0, 0.0])
def test_odds_that_say_nothing_are_refused(rises: float) -> None:
    predictions = [answer(number % 2 == 1, sigmoid(rises * (1.0 if number % 2 else -1.0))) for number in range(400)]
    with pytest.raises(BadSettings, match="does not rise"):
        calibrate.fit_card(predictions, CARD, prevalence=None, risk=0.02)


def test_both_halves_hold_each_label_and_source_alike() -> None:
    pixels = RgbImage(Image.new("RGB", (8, 8)), "png")
    samples = [
        Sample(number, pixels, GENERATED if number % 2 else REAL, (), source="web" if number % 3 else None)
        for number in range(120)
    ]
    fitted, checked = calibrate.split_in_halves(samples)
    assert sorted(sample.number for sample in [*fitted, *checked]) == list(range(120))
    for label in Verdict:
        for source in (None, "web"):
            sizes = [sum((s.label, s.source) == (label, source) for s in half) for half in (fitted, checked)]
            assert sizes[0] == sizes[1] > 0


def test_a_fit_weighs_images_by_what_they_stand_for() -> None:
    traffic = overconfident(7, 8_000, by=2.0, shift=0.5)
    fractions = np.array([0.1 if prediction.label is REAL else 0.9 for prediction in traffic])
    is_drawn = np.random.default_rng(7).random(8_000) < fractions
    drawn = [replace(traffic[number], weight=1 / fractions[number]) for number in np.flatnonzero(is_drawn)]
    whole, weighted, unweighted = (
        calibrate.fit_scaling(group, prevalence=None)
        for group in (traffic, drawn, [replace(prediction, weight=1.0) for prediction in drawn])
    )
    assert weighted.bias == pytest.approx(whole.bias, abs=0.2)
    assert weighted.temperature == pytest.approx(whole.temperature, rel=0.15)
    assert unweighted.bias > whole.bias + 1.5


def test_images_that_stand_for_no_traffic_are_not_enough_to_fit_to() -> None:
    """Reviews weigh nothing: a fit to them alone would be the prior, and replace the source's share in all others."""
    traffic, appeals = overconfident(8, 1_000), overconfident(9, 400, source="app")
    unweighed = [replace(prediction, weight=0.0) for prediction in appeals]
    assert calibrate.fit_calibration([*traffic, *appeals], prevalence=None).per_source.keys() == {"app"}
    assert not calibrate.fit_calibration([*traffic, *unweighed], prevalence=None).per_source
    with pytest.raises(BadSettings, match="0 real and 0 generated"):
        calibrate.fit_card(unweighed, CARD, prevalence=None, risk=0.02)
