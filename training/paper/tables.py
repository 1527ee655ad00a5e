"""The numbers of the paper's tables 1 to 4 and figures 4, 5, 7, 10 and 11, from predictions. Pure.

Source: paper section 4 and appendices D to F.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from pipeline.verdict import Verdict
from training.annotation import statistics
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation import metrics, summary
from training.evaluation.evaluate import PERTURBED, Pass
from training.evaluation.metrics import Prediction
from training.evaluation.perturbations import STORED_AS_JPEG
from training.evaluation.summary import Json
from training.paper import reported, table_1
from training.paper.ablation_results import AblationResult
from training.paper.latency import Latencies

MOST_BOXES = 6
TOP_WORDS = 16
PERTURBATION_TITLES = {
    "jpeg_80": "JPEG, quality 80",
    "jpeg_30": "JPEG, quality 30",
    "crop": "Random crop",
    "half_size": "0.5x",
}
AS_JPEG = "_as_jpeg"
"""ends the name of a perturbed pass whose copies are stored as JPEG files afterwards"""

PASSES: Mapping[str, Pass] = {
    **table_1.PASSES,
    **PERTURBED,
    **{f"{name}{AS_JPEG}": Pass(perturb=perturb) for name, perturb in STORED_AS_JPEG.items()},
}
NOT_YET = {"base": "not measured yet", "sft": "not measured yet"}
"""the state of rows without results that need no training; the others are not trained yet"""

Passes = Mapping[str, Sequence[Prediction]]


def build_table_1(predictions: Passes, results: Mapping[str, AblationResult]) -> list[Json]:
    """Return all rows in the paper's order: asked live, recorded as ablations, or not trained yet."""
    return [_build_row_1(name, predictions, results) for name in table_1.TITLES]


def _build_row_1(name: str, predictions: Passes, results: Mapping[str, AblationResult]) -> Json:
    row: Json = {"variant": name, "title": table_1.TITLES[name], "state": NOT_YET.get(name, "not trained yet")}
    columns: Mapping[str, Metric] = {}
    if name in predictions:
        row["state"] = "live"
        columns = table_1.measure_live_row(name, predictions[name])
    elif name in results:
        row |= _build_origin(results[name])
        columns = results[name].figures
    paper = {size: asdict(reported_row) for size, reported_row in reported.TABLE_1[name].items()}
    return row | _build_columns(columns) | {"paper": paper}


def build_equal_budget_row(results: Mapping[str, AblationResult]) -> Json | None:
    """Return the row of the paper's method trained with the budget of the ablations, for comparison with them."""
    if table_1.OWN not in results:
        return None
    result = results[table_1.OWN]
    budget = "with the budget of the recorded rows" if result.seed is not None else result.phases[0]
    title = f"{table_1.TITLES[table_1.OWN]}, {budget}"
    return {"variant": table_1.OWN, "title": title} | _build_origin(result) | _build_columns(result.figures)


def _build_origin(result: AblationResult) -> Json:
    return {
        "state": "recorded",
        "commit": result.commit,
        "seed": result.seed,
        "date": result.date,
        "start": result.start,
        "phases": result.phases,
    }


def _build_columns(columns: Mapping[str, Metric]) -> Json:
    known = {name: columns[name] for name in table_1.ALL_COLUMNS if name in columns}
    values = resampling.convert_to_json(known)
    return {name: values.get(name) for name in table_1.ALL_COLUMNS}


def measure_random_crop_cost(predictions: Passes) -> Json:
    """Return Acc minus Acc with random crops, paired; the paper's is 13.0 points."""
    cost = metrics.measure_advantage(predictions[table_1.OWN], predictions[table_1.RANDOM])
    return {**resampling.convert_to_json({"cost": cost})["cost"], "paper": 0.130}


def build_table_2(sets: Mapping[str, tuple[str, Sequence[Prediction]]], own: Sequence[Prediction]) -> list[Json]:
    """Return Acc on each benchmark, also on those that were not given, and on every other set; `sets` have titles.

    The drop is against the `own` set, which is one of them.
    """
    titles = {**reported.BENCHMARKS, "magnifake": "MagniFake"}
    titles |= {name: title for name, (title, _) in sets.items() if name not in reported.BENCHMARKS}
    return [_build_row_2(name, title, sets[name][1] if name in sets else None, own) for name, title in titles.items()]


def _build_row_2(name: str, title: str, predictions: Sequence[Prediction] | None, own: Sequence[Prediction]) -> Json:
    row: Json = {"set": name, "title": title, "acc": None, "acc_drop": None, "i_acc": None, "iou": None, "images": 0}
    if predictions is not None:
        row |= _measure_set(predictions, own)
    return row | {"paper": dict(reported.TABLE_2.get(name, {}))}


def _measure_set(predictions: Sequence[Prediction], own: Sequence[Prediction]) -> Json:
    computed = metrics.compute_metrics(predictions)
    row: Json = dict(resampling.convert_to_json({column: computed[column] for column in ("acc", "i_acc", "iou")}))
    generated = sum(prediction.label is Verdict.GENERATED for prediction in predictions)
    if predictions is not own and 0 < generated < len(predictions):  # the accuracy of one class is another metric
        shift = summary.measure_shift("x", own, predictions, paired=False)
        row |= resampling.convert_to_json({"acc_drop": shift["acc_drop_x"]})
    row |= {"images": len(predictions), "generated": generated}
    row["iou"] = row["iou"] if any(prediction.annotated for prediction in predictions) else None
    sources = sorted({prediction.source for prediction in predictions if prediction.source})
    by_source = {
        source: metrics.measure_accuracy([prediction for prediction in predictions if prediction.source == source])
        for source in sources
    }
    return row | {"by_source": resampling.convert_to_json(by_source)}


def build_table_3(predictions: Passes) -> list[Json]:
    """Return Acc and IoU without and with each perturbation, and Acc where the classes have different file formats.

    `acc_formats_usual`: real copies are stored as JPEG, generated ones losslessly, as sets are usually found;
    `acc_formats_swapped`: the other way round. A model that looks at the picture alone gives the same for both.
    """
    own = predictions[table_1.OWN]
    plain = _build_row_3("none", "None", own, own)
    return [plain, *(_build_perturbed_row(name, predictions) for name in PERTURBATION_TITLES if name in predictions)]


def _build_perturbed_row(name: str, predictions: Passes) -> Json:
    row = _build_row_3(name, PERTURBATION_TITLES[name], predictions[table_1.OWN], predictions[name])
    if name + AS_JPEG in predictions:
        pairs = list(zip(predictions[name], predictions[name + AS_JPEG], strict=True))
        usual = [as_jpeg if as_jpeg.label is Verdict.REAL else lossless for lossless, as_jpeg in pairs]
        swapped = [lossless if lossless.label is Verdict.REAL else as_jpeg for lossless, as_jpeg in pairs]
        formats = {
            "acc_formats_usual": metrics.measure_accuracy(usual),
            "acc_formats_swapped": metrics.measure_accuracy(swapped),
            "iou_formats_swapped": metrics.measure_overlap(metrics.iou_of_regions, swapped),
            "format_effect": metrics.measure_advantage(usual, swapped),
        }
        row |= resampling.convert_to_json(formats)
    acc, iou = reported.TABLE_3[name]
    return row | {"paper": {"acc": acc, "iou": iou}}


def _build_row_3(name: str, title: str, own: Sequence[Prediction], others: Sequence[Prediction]) -> Json:
    shift = summary.measure_shift("x", own, others)
    columns = {key.removesuffix("_x"): metric for key, metric in shift.items()}
    empty = {"acc_formats_usual": None, "acc_formats_swapped": None, "iou_formats_swapped": None, "format_effect": None}
    return {"degradation": name, "title": title, **resampling.convert_to_json(columns), **empty, "paper": None}


def build_table_4(latencies: Latencies, machine: str) -> list[Json]:
    """Return the seconds an image takes with one and with two queries, one image at a time."""
    measured = {1: latencies.one_query, 2: latencies.two_queries}
    return [
        {
            "queries": queries,
            **summarize_seconds(seconds),
            "machine": machine,
            "paper": {size: {"mean_s": m, "deviation_s": d} for size, (m, d) in reported.TABLE_4[queries].items()},
        }
        for queries, seconds in measured.items()
    ]


def summarize_seconds(seconds: Sequence[float]) -> Json:
    """Return mean and deviation; None where there are too few."""
    return {
        "mean_s": round(float(np.mean(seconds)), 4) if seconds else None,
        "deviation_s": round(float(np.std(seconds, ddof=1)), 4) if len(seconds) > 1 else None,
        "n": len(seconds),
    }


def group_by_boxes(predictions: Sequence[Prediction]) -> list[Json]:
    """Return I-Acc and Acc of images by the number of boxes that Query 1 named: figures 4 and 5 (10 and 11)."""
    counts = np.array([min(len(prediction.regions), MOST_BOXES) for prediction in predictions], int)
    rights = {
        "i_acc": metrics.mark_right([prediction.scan_verdict for prediction in predictions], predictions),
        "acc": metrics.mark_right([prediction.check_verdict for prediction in predictions], predictions),
    }
    rows: list[Json] = []
    for boxes in range(int(counts.max(initial=0)) + 1):
        among = (counts == boxes).astype(float)
        accuracies = {name: resampling.estimate_mean(right, among=among) for name, right in rights.items()}
        rows.append(
            {
                "boxes": f"{boxes} or more" if boxes == MOST_BOXES else str(boxes),
                "images": int(among.sum()),
                "share": round(float(among.mean()) if len(predictions) else 0.0, 4),
                **resampling.convert_to_json(accuracies),
            }
        )
    return rows


def compare_keywords(predictions: Sequence[Prediction]) -> list[Json]:
    """Return the commonest words of references and model explanations, as shares of each: figure 7."""
    texts = {
        "references": [prediction.reference for prediction in predictions if prediction.reference],
        "model": [prediction.explanation for prediction in predictions if prediction.explanation],
    }
    counts = {author: statistics.count_keywords(written) for author, written in texts.items()}
    top = [word for word, _ in (Counter(counts["references"]) + counts["model"]).most_common(TOP_WORDS)]

    def compute_share(author: str, word: str) -> float:
        return round(counts[author][word] / len(texts[author]), 4) if texts[author] else 0.0

    return [{"word": word, **{author: compute_share(author, word) for author in texts}} for word in top]
