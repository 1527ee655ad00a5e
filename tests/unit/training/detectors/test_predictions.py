"""A stranger's answers as predictions: found by name or digest, missing ones wrong, others' images refused."""

import hashlib
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from pipeline import images
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from tests.support.live_images import LiveImages, write_set
from training.detectors import predictions
from training.detectors.predictions import AskedImages, Detector
from training.detectors.score_file import Score, ScoreFile
from training.evaluation.metrics import Prediction
from training.evaluation.perturbations import PERTURBATIONS
from training.evaluation.samples import Sample, read_samples

R, G = Verdict.REAL, Verdict.GENERATED
BOX = BoundingBox(2, 2, 20, 20)
SAMPLES = [
    Sample(n, RgbImage(Image.new("RGB", (40, 30), (50 * n, 0, 0)), "png"), label, (BOX,), file=f"{n}.png")
    for n, label in enumerate((R, G, G))
]
TRUTHS = [Prediction(s.label, R, G, (), s.annotated, source="web", file=s.file) for s in SAMPLES]
OWN = AskedImages("scenes", SAMPLES, is_own=True)


def detector(key: str = "file", **scores: Score) -> Detector:
    return Detector("npr", ScoreFile(Path("npr.csv"), key, has_boxes=True, scores=scores))


def test_answers_become_predictions_and_a_missing_one_is_wrong() -> None:
    answered = detector(**{"0.png": Score(0.49), "scenes/1.png": Score(0.5, (BOX,))})
    found = predictions.predict_from_scores(answered, OWN, TRUTHS)
    assert found is not None
    assert [(p.label, p.scan_verdict, p.check_verdict) for p in found] == [(R, None, R), (G, None, G), (G, None, None)]
    assert [p.regions for p in found] == [(), (BOX,), ()]
    assert [p.p_generated for p in found] == [0.49, 0.5, None]
    assert {p.explanation for p in found} == {""}
    assert predictions.count_unanswered(found) == 1


def test_another_set_is_named_with_its_folder() -> None:
    other = AskedImages("unseen_grounds", SAMPLES)
    assert predictions.predict_from_scores(detector(**{"0.png": Score(0.4)}), other, TRUTHS) is None
    found = predictions.predict_from_scores(detector(**{"unseen_grounds/0.png": Score(0.4)}), other, TRUTHS)
    assert found is not None
    assert [p.check_verdict for p in found] == [R, None, None]


def test_a_copy_has_a_folder_of_its_own() -> None:
    copies = AskedImages("scenes", SAMPLES, copy="jpeg_30", perturb=PERTURBATIONS["jpeg_30"])
    assert predictions.predict_from_scores(detector(**{"scenes/0.png": Score(0.4)}), copies, TRUTHS) is None
    assert predictions.predict_from_scores(detector(**{"scenes-jpeg_30/0.png": Score(0.4)}), copies, TRUTHS)


def digest(image: RgbImage) -> str:
    return hashlib.sha256(images.encode_png(image.pixels)).hexdigest()


def test_drawn_images_and_copies_are_found_by_the_digest_of_their_file() -> None:
    halve = partial(PERTURBATIONS["half_size"])
    copied = halve(SAMPLES[1].image, SAMPLES[1].annotated, 1)[0]
    answered = detector("sha256", **{digest(SAMPLES[1].image): Score(1.0), digest(copied): Score(0.0)})
    for asked, verdict in ((OWN, G), (AskedImages("scenes", SAMPLES, copy="half_size", perturb=halve), R)):
        found = predictions.predict_from_scores(answered, asked, TRUTHS)
        assert found is not None
        assert [p.check_verdict for p in found] == [None, verdict, None]


def test_files_are_found_by_their_own_digest(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"as published")
    asked = AskedImages("data", SAMPLES[:1], directory=tmp_path, is_own=True)
    answered = detector("sha256", **{hashlib.sha256(b"as published").hexdigest(): Score(0.9)})
    found = predictions.predict_from_scores(answered, asked, TRUTHS[:1])
    assert found is not None
    assert found[0].check_verdict is G


def test_answers_about_other_images_are_refused_with_both_names() -> None:
    predictions.refuse_unmatched(detector(**{"2.png": Score(0.1)}), OWN, "held-out scenes")
    with pytest.raises(BadSettings) as refused:
        predictions.refuse_unmatched(detector(**{"photo.png": Score(0.1)}), OWN, "held-out scenes")
    detail = refused.value.detail
    assert detail.startswith("npr.csv: no row is about an image of held-out scenes")
    assert "photo.png" in detail
    assert "scenes/0.png" in detail
    assert "zoomin-train baseline images" in detail


def test_the_seconds_of_answered_images_are_listed() -> None:
    answered = detector(**{"0.png": Score(0.4, (), 0.25), "1.png": Score(0.4)})
    assert predictions.list_seconds(answered, OWN) == [0.25]


def test_names_of_images_are_known_without_loading_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = AskedImages("data", read_samples(write_set(tmp_path, 4), 4), directory=tmp_path, is_own=True)
    live = LiveImages(monkeypatch)
    answered = detector(**{"003.png": Score(0.1, seconds=2.0)})
    predictions.refuse_unmatched(answered, own, "data")
    assert predictions.list_seconds(answered, own) == [2.0]
    assert live.total == 0
