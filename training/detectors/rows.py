"""Build the rows of other detectors in tables 1 to 4 of the paper report, and what their answers say beside ours.

What a detector cannot have is None: it has one verdict and no words, and boxes only where its file names them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from training.common import resampling
from training.common.resampling import Metric
from training.detectors import predictions
from training.detectors.predictions import AskedImages, Detector
from training.evaluation import metrics
from training.evaluation.calibration_metrics import ScoredPredictions, build_auroc
from training.evaluation.metrics import Prediction
from training.evaluation.summary import Json
from training.paper import reported, table_1, tables
from training.paper.measurements import Measurements
from training.paper.paper_report import DetectorRows
from training.paper.report_sets import ReportSets

OVERLAPS = ("iou", "iou_drop", "iou_formats_swapped")


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredSets:
    """A detector's predictions on the own set and its copies by pass, and on the other sets; those it was asked."""

    detector: Detector
    passes: Mapping[str, Sequence[Prediction]]
    others: Mapping[str, tuple[str, Sequence[Prediction]]]
    seconds: Sequence[float]

    @property
    def own(self) -> Sequence[Prediction]:
        return self.passes[table_1.OWN]


def ask_own(sets: ReportSets) -> AskedImages:
    """Return the images of tables 1 and 3."""
    return AskedImages(sets.name, sets.samples, sets.directories.get(sets.name), is_own=True)


def build_detector_rows(detectors: Sequence[Detector], sets: ReportSets, measured: Measurements) -> DetectorRows:
    """Return the rows of all detectors, whose answers are about images of the own set at least."""
    answered = [_collect_answers(detector, sets, measured) for detector in detectors]
    table_2, table_3 = ([_build_rows(each, table) for each in answered] for table in ("set", "degradation"))
    own = measured.predictions[table_1.OWN]
    return DetectorRows(
        table_1=[_build_row_1(each) for each in answered],
        table_2=_group_rows(table_2),
        table_3=_group_rows(table_3),
        table_4=[_build_row_4(each) for each in answered],
        findings=[build_finding(each, own, sets.title) for each in answered],
    )


def _collect_answers(detector: Detector, sets: ReportSets, measured: Measurements) -> AnsweredSets:
    own = ask_own(sets)
    passes: dict[str, Sequence[Prediction]] = {}
    for name, truths in measured.predictions.items():
        perturb = tables.PASSES[name].perturb
        asked = AskedImages(sets.name, sets.samples, copy=name, perturb=perturb) if perturb else own
        if (perturb or name == table_1.OWN) and (found := predictions.predict_from_scores(detector, asked, truths)):
            passes[name] = found
    others: dict[str, tuple[str, Sequence[Prediction]]] = {}
    for name, (title, truths) in measured.others.items():
        asked = AskedImages(name, sets.others[name][1], sets.directories.get(name))
        if found := predictions.predict_from_scores(detector, asked, truths):
            others[name] = title, found
    others[sets.name] = sets.title, passes[table_1.OWN]
    return AnsweredSets(detector, passes, others, predictions.list_seconds(detector, own))


def _build_row_1(answered: AnsweredSets) -> Json:
    name, own = answered.detector.name, answered.own
    columns = {"acc": metrics.measure_accuracy(own), "iou": metrics.measure_overlap(metrics.iou_of_regions, own)}
    row: Json = {"variant": name, "title": name, "state": "scores", "file": answered.detector.answers.path.name}
    row |= dict.fromkeys(table_1.ALL_COLUMNS) | resampling.convert_to_json(columns)
    return _drop_overlaps(answered, row) | {"unanswered": predictions.count_unanswered(own), "paper": {}}


def _build_rows(answered: AnsweredSets, key: str) -> Iterator[tuple[str, Json]]:
    """Yield the detector's row in table 2 or 3 for each set or degradation that it was asked about."""
    if key == "set":
        rows = tables.build_table_2(answered.others, answered.own)
        printed = reported.DETECTORS_2
        answers = {name: found for name, (_, found) in answered.others.items()}
    else:
        rows = tables.build_table_3(answered.passes)
        printed = reported.DETECTORS_3
        answers = {"none": answered.own, **answered.passes}
    for row in rows:
        name = row[key]
        if name in answers:
            paper = printed.get(name, {}).get(answered.detector.name.casefold())
            own = {"detector": answered.detector.name, "unanswered": predictions.count_unanswered(answers[name])}
            yield name, _drop_overlaps(answered, row) | {"i_acc": None, "paper": paper} | own


def _drop_overlaps(answered: AnsweredSets, row: Json) -> Json:
    if answered.detector.answers.has_boxes:
        return row
    return row | {name: None for name in OVERLAPS if name in row}


def _group_rows(rows: Sequence[Iterator[tuple[str, Json]]]) -> dict[str, list[Json]]:
    """Group the rows of all detectors by their set or degradation."""
    grouped: dict[str, list[Json]] = {}
    for of_detector in rows:
        for name, row in of_detector:
            grouped.setdefault(name, []).append(row)
    return grouped


def _build_row_4(answered: AnsweredSets) -> Json:
    name = answered.detector.name
    paper = reported.DETECTORS_4.get(name.casefold())
    printed = None if paper is None else {"mean_s": paper[0], "deviation_s": paper[1]}
    return {"queries": None, "detector": name, **tables.summarize_seconds(answered.seconds), "paper": printed}


def build_finding(answered: AnsweredSets, own: Sequence[Prediction], title: str) -> Json:
    """Return whether the detector is right more often than the checkpoint, and what it cannot give."""
    detector = answered.detector
    advantage = metrics.measure_advantage(answered.own, own)
    assert advantage.value is not None
    low, high = advantage.low or 0.0, advantage.high or 0.0
    outcome = "better" if low > 0 else "worse" if high < 0 else "no difference seen"
    measured = {
        "acc": metrics.measure_accuracy(answered.own),
        "own_acc": metrics.measure_accuracy(own),
        "advantage": advantage,
        "auroc": _measure_auroc(answered.own),
    }
    return {
        "detector": detector.name,
        "set": title,
        "outcome": outcome,
        **resampling.convert_to_json(measured),
        "answered": len(answered.own) - predictions.count_unanswered(answered.own),
        "images": len(answered.own),
        "cannot": [*(() if detector.answers.has_boxes else ("regions",)), "explanations", "second look"],
    }


def _measure_auroc(own: Sequence[Prediction]) -> Metric:
    """Return the share of pairs in which the generated image has the higher probability: no threshold decides it."""
    return metrics.estimate_for(own, build_auroc(ScoredPredictions.build(own)))
