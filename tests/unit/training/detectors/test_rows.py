"""The rows of other detectors in every table: what they cannot have is null, and who is right more often is said."""

import asyncio
import json
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox, Verdict
from tests.support.engines import DigestEngine
from tests.support.paths import MODEL
from training.detectors import images, predictions, rows
from training.detectors.predictions import Detector
from training.detectors.rows import AnsweredSets
from training.detectors.score_file import Score, ScoreFile
from training.evaluation import samples
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.evaluation.summary import Json
from training.paper import paper_report, table_1
from training.paper.latency import Latencies
from training.paper.measurements import Measurements, measure_checkpoint
from training.paper.report_sets import ReportSets
from training.reports import examples, page
from training.reports.page import Pictures
from training.synthetic import scenes


def drawn(first: int, count: int) -> list[Sample]:
    return samples.convert_scenes([scenes.draw_scene(scenes.HELD_OUT_SEED + first + number) for number in range(count)])


SETS = ReportSets("scenes", "held-out scenes", drawn(0, 6), {"unseen_grounds": ("Unseen grounds", drawn(6, 2))})
CHECKPOINT = Checkpoint.read(MODEL)


@pytest.fixture(scope="module")
def measured() -> Measurements:
    engine = DigestEngine(CHECKPOINT.card)
    return asyncio.run(measure_checkpoint(CHECKPOINT, SETS, engine, Latencies([], []), concurrency=2))


def answer_right(sample: Sample, *, boxes: tuple[BoundingBox, ...] = (), seconds: float | None = None) -> Score:
    return Score(0.9 if sample.label is Verdict.GENERATED else 0.1, boxes, seconds)


def build_detector(name: str, scores: dict[str, Score], *, has_boxes: bool = False) -> Detector:
    return Detector(name, ScoreFile(Path("answers") / f"{name}.csv", "file", has_boxes, scores))


def build_report(measured: Measurements, *detectors: Detector) -> Json:
    others = rows.build_detector_rows(detectors, SETS, measured)
    report = paper_report.build_report(CHECKPOINT, SETS, measured, {}, machine="a machine", detectors=others)
    text = page.format_json(report)
    return dict(json.loads(text))


def test_a_detector_without_words_has_dashes_where_it_has_nothing(measured: Measurements) -> None:
    right = {sample.file: answer_right(sample, seconds=0.5) for sample in SETS.samples}
    report = build_report(measured, build_detector("CNNSpot", right))
    row = report["table1"][-1]
    assert (row["variant"], row["state"], row["file"], row["unanswered"]) == ("CNNSpot", "scores", "CNNSpot.csv", 0)
    assert (row["acc"]["value"], row["acc"]["n"]) == (1.0, 6)
    assert {name for name in table_1.ALL_COLUMNS if row[name] is not None} == {"acc"}
    table_2 = {row["set"]: row["detectors"] for row in report["table2"]}
    assert [len(found) for found in table_2.values()] == [0, 0, 0, 0, 1, 0]  # it was asked about scenes alone
    assert table_2["scenes"][0]["acc"]["value"] == 1.0
    assert table_2["scenes"][0]["i_acc"] is table_2["scenes"][0]["iou"] is None
    table_3 = {row["degradation"]: row["detectors"] for row in report["table3"]}
    assert [len(found) for found in table_3.values()] == [1, 0, 0, 0, 0]
    assert report["table4"][-1]["detector"] == "CNNSpot"
    assert (report["table4"][-1]["mean_s"], report["table4"][-1]["n"]) == (0.5, 6)


def test_copies_and_other_sets_are_judged_where_it_was_asked(measured: Measurements) -> None:
    scores = {images.name_image("scenes", sample.file): answer_right(sample) for sample in SETS.samples}
    scores |= {images.name_image("unseen_grounds", sample.file): Score(0.9) for sample in drawn(6, 2)}
    scores |= {images.name_copy("scenes", "jpeg_30", SETS.samples[0].file): Score(0.2)}
    report = build_report(measured, build_detector("NPR", scores))
    unseen = next(row["detectors"] for row in report["table2"] if row["set"] == "unseen_grounds")
    assert (unseen[0]["acc"]["value"], unseen[0]["acc_drop"]["value"]) == (0.5, 0.5)
    jpeg = next(row["detectors"] for row in report["table3"] if row["degradation"] == "jpeg_30")
    assert (jpeg[0]["acc"]["value"], jpeg[0]["unanswered"], jpeg[0]["paper"]) == (round(1 / 6, 4), 5, 0.835)


def test_boxes_give_an_overlap(measured: Measurements) -> None:
    scores = {sample.file: answer_right(sample, boxes=sample.annotated) for sample in SETS.samples[:3]}
    row = build_report(measured, build_detector("Boxes", scores, has_boxes=True))["table1"][-1]
    assert (row["iou"]["value"], row["unanswered"], row["acc"]["value"]) == (0.5, 3, 0.5)


R, G = Verdict.REAL, Verdict.GENERATED
OUTCOMES = {
    "better": (20, 10, "is right more often than"),
    "worse": (10, 20, "is right less often than"),
    "no difference seen": (20, 20, "are not seen to differ"),
}


def predict(right: int) -> list[Prediction]:
    """Return predictions on 20 images, the first `right` of which are right."""
    labels = [R, G] * 10
    verdicts = [label if number < right else (R if label is G else G) for number, label in enumerate(labels)]
    return [Prediction(label, R, verdict, (), ()) for label, verdict in zip(labels, verdicts, strict=True)]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_who_is_right_more_often_is_told_whoever_it_is(measured: Measurements, tmp_path: Path, outcome: str) -> None:
    theirs, ours, words = OUTCOMES[outcome]
    detector = build_detector("CNNSpot", {})
    answered = AnsweredSets(detector, {table_1.OWN: predict(theirs)}, {}, [])
    finding = rows.build_finding(answered, predict(ours), "held-out scenes")
    assert (finding["outcome"], finding["advantage"]["value"]) == (outcome, (theirs - ours) / 20)
    assert finding["cannot"] == ["regions", "explanations", "second look"]
    others = paper_report.DetectorRows(findings=[finding])
    report = paper_report.build_report(CHECKPOINT, SETS, measured, {}, machine="a machine", detectors=others)
    page.write_report(tmp_path, report, "paper.html.jinja", pictures=Pictures(), kinds=examples.KINDS)
    html = (tmp_path / page.HTML_NAME).read_text()
    assert words in html
    assert "gives no regions, no explanations, no second look" in html


def test_the_page_shows_every_row(measured: Measurements, tmp_path: Path) -> None:
    names = [sample.file for sample in SETS.samples]
    scores = {images.name_image("scenes", name): Score(0.4, (), 0.5) for name in names[1:]}
    scores |= {
        images.name_copy("scenes", f"crop{ending}", name): Score(0.4) for name in names for ending in ("", "_as_jpeg")
    }
    scores |= {images.name_image("unseen_grounds", sample.file): Score(0.4) for sample in drawn(6, 2)}
    report = build_report(measured, build_detector("NPR", scores))
    page.write_report(tmp_path, report, "paper.html.jinja", pictures=Pictures(), kinds=examples.KINDS)
    html = (tmp_path / page.HTML_NAME).read_text()
    assert html.count('<tr class="asked">') == 4
    assert "1 images without an answer count as wrong" in html
    assert "0.500 ± 0.000 s" in html
    assert "0.105 ± 0.02 s" in html
    crop = next(row["detectors"][0] for row in report["table3"] if row["degradation"] == "crop")
    assert crop["format_effect"]["value"] == 0.0


def test_names_of_our_own_rows_are_taken(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="two rows would be called two_turn"):
        predictions.read_detectors([("two_turn", tmp_path)], table_1.TITLES)
    with pytest.raises(BadSettings, match="two rows would be called NPR"):
        predictions.read_detectors([("NPR", tmp_path), ("NPR", tmp_path)], table_1.TITLES)
