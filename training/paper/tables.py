"""The numbers of the paper's tables 1 to 4 and figures 4, 5, 7, 10 and 11, from judged images. Pure.

Source: paper section 4 and appendices D to F.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import Verdict
from training.annotation import statistics
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation import metrics, summary
from training.evaluation.evaluate import DEGRADED, Pass
from training.evaluation.metrics import Prediction
from training.evaluation.perturbations import STORED_AS_JPEG
from training.evaluation.samples import Sample
from training.evaluation.summary import Json
from training.paper import reported, variants
from training.paper.recorded import Recorded
from training.synthetic import scenes

MOST_BOXES = 6
TOP_WORDS = 16
DEGRADATIONS = {
    "jpeg_80": "JPEG, quality 80",
    "jpeg_30": "JPEG, quality 30",
    "crop": "Random crop",
    "half_size": "0.5x",
}
AS_JPEG = "_as_jpeg"
"""ends the name of a degraded pass whose copies are stored as JPEG files afterwards"""

PASSES: Mapping[str, Pass] = {
    **variants.PASSES,
    **DEGRADED,
    **{f"{name}{AS_JPEG}": Pass(degrade=degrade) for name, degrade in STORED_AS_JPEG.items()},
}
NOT_YET = {"base": "not measured yet", "sft": "not measured yet"}
"""a training's row without figures is not trained yet; these two need no training"""

Passes = Mapping[str, Sequence[Prediction]]


@dataclass(frozen=True, slots=True)
class Seconds:
    """What one image took, one after the other, each seen for the first time."""

    one_query: Sequence[float]
    two_queries: Sequence[float]


def table_1(
    samples: Sequence[Sample], judged: Passes, card: CheckpointCard, trained: Mapping[str, Recorded]
) -> list[Json]:
    """All rows in the paper's order: asked live, recorded by their training, or not trained yet."""
    return [_row_1(name, samples, judged, card, trained) for name in variants.TITLES]


def _row_1(
    name: str, samples: Sequence[Sample], judged: Passes, card: CheckpointCard, trained: Mapping[str, Recorded]
) -> Json:
    row: Json = {"variant": name, "title": variants.TITLES[name], "state": NOT_YET.get(name, "not trained yet")}
    shown: Mapping[str, Metric] = {}
    if name in judged:
        row["state"] = "live"
        shown = variants.of_question(name, samples, judged[name], card)
    elif name in trained:
        row |= _recorded(trained[name])
        shown = trained[name].figures
    paper = {size: asdict(one) for size, one in reported.TABLE_1[name].items()}
    return row | _columns(shown) | {"paper": paper}


def of_equal_budget(trained: Mapping[str, Recorded]) -> Json | None:
    """The paper's method trained with the budget of the recorded rows, for them to be held against."""
    if variants.OWN not in trained:
        return None
    kept = trained[variants.OWN]
    title = f"{variants.TITLES[variants.OWN]}, with the budget of the recorded rows"
    return {"variant": variants.OWN, "title": title} | _recorded(kept) | _columns(kept.figures)


def _recorded(kept: Recorded) -> Json:
    return {
        "state": "recorded",
        "commit": kept.commit,
        "seed": kept.seed,
        "date": kept.date,
        "start": kept.start,
        "phases": kept.phases,
    }


def _columns(shown: Mapping[str, Metric]) -> Json:
    columns = (*variants.COLUMNS, variants.UNPARSED, variants.IDENTITY_GAP)
    named = resampling.convert_to_json({column: shown[column] for column in columns if column in shown})
    return {column: named.get(column) for column in columns}


def random_crop_cost(judged: Passes) -> Json:
    """Acc minus Acc with random crops, paired; the paper's is 13.0 points."""
    cost = metrics.advantage(judged[variants.OWN], judged[variants.RANDOM])
    return {**resampling.convert_to_json({"cost": cost})["cost"], "paper": 0.130}


def table_2(sets: Mapping[str, tuple[str, Sequence[Prediction]]], own: Sequence[Prediction]) -> list[Json]:
    """Acc on each benchmark, those that were not given included, and on whatever else was judged (name to title).

    The drop is against the `own` set, which is one of them.
    """
    names = {**reported.BENCHMARKS, "magnifake": "MagniFake"}
    names |= {name: title for name, (title, _) in sets.items() if name not in reported.BENCHMARKS}
    return [_row_2(name, title, sets[name][1] if name in sets else None, own) for name, title in names.items()]


def _row_2(name: str, title: str, judged: Sequence[Prediction] | None, own: Sequence[Prediction]) -> Json:
    row: Json = {"set": name, "title": title, "acc": None, "acc_drop": None, "i_acc": None, "iou": None, "images": 0}
    if judged is not None:
        shown = metrics.figures(judged)
        generated = sum(one.label is Verdict.GENERATED for one in judged)
        row |= resampling.convert_to_json({column: shown[column] for column in ("acc", "i_acc", "iou")})
        if judged is not own and 0 < generated < len(judged):  # the accuracy of one class is another figure
            there = summary.elsewhere("x", own, judged, paired=False)
            row |= resampling.convert_to_json({"acc_drop": there["acc_drop_x"]})
        row |= {"images": len(judged), "generated": generated}
        row["iou"] = row["iou"] if any(one.annotated for one in judged) else None
        by_source = sorted({one.source for one in judged if one.source})
        row["by_source"] = {
            source: resampling.convert_to_json({"acc": metrics.accuracy([one for one in judged if one.source == source])})[
                "acc"
            ]
            for source in by_source
        }
    return row | {"paper": dict(reported.TABLE_2.get(name, {}))}


def table_3(judged: Passes) -> list[Json]:
    """Acc and IoU without and with each degradation, and Acc where the classes come in different file formats.

    `acc_formats_usual`: real copies are stored as JPEG, generated ones losslessly, as sets are usually found;
    `acc_formats_swapped`: the other way round. A judge of the picture says the same of both.
    """
    own = judged[variants.OWN]
    plain = _row_3("none", "None", own, own)
    return [plain, *(_degraded(name, judged) for name in DEGRADATIONS if name in judged)]


def _degraded(name: str, judged: Passes) -> Json:
    row = _row_3(name, DEGRADATIONS[name], judged[variants.OWN], judged[name])
    if name + AS_JPEG in judged:
        lossless, as_jpeg = judged[name], judged[name + AS_JPEG]
        usual = [two if two.label is Verdict.REAL else one for one, two in zip(lossless, as_jpeg, strict=True)]
        swapped = [one if one.label is Verdict.REAL else two for one, two in zip(lossless, as_jpeg, strict=True)]
        formats = {
            "acc_formats_usual": metrics.accuracy(usual),
            "acc_formats_swapped": metrics.accuracy(swapped),
            "iou_formats_swapped": metrics.overlap(metrics.iou_of_regions, swapped),
            "format_effect": metrics.advantage(usual, swapped),
        }
        row |= resampling.convert_to_json(formats)
    acc, iou = reported.TABLE_3[name]
    return row | {"paper": {"acc": acc, "iou": iou}}


def _row_3(name: str, title: str, own: Sequence[Prediction], other: Sequence[Prediction]) -> Json:
    shown = summary.elsewhere("x", own, other)
    named = {key.removesuffix("_x"): figure for key, figure in shown.items()}
    empty = {"acc_formats_usual": None, "acc_formats_swapped": None, "iou_formats_swapped": None, "format_effect": None}
    return {"degradation": name, "title": title, **resampling.convert_to_json(named), **empty, "paper": None}


def table_4(seconds: Seconds, machine: str) -> list[Json]:
    """Seconds an image with one and with two queries, one image at a time."""
    measured = {1: seconds.one_query, 2: seconds.two_queries}
    return [
        {
            "queries": queries,
            "mean_s": round(float(np.mean(took)), 4) if took else None,
            "deviation_s": round(float(np.std(took, ddof=1)), 4) if len(took) > 1 else None,
            "n": len(took),
            "machine": machine,
            "paper": {size: {"mean_s": m, "deviation_s": d} for size, (m, d) in reported.TABLE_4[queries].items()},
        }
        for queries, took in measured.items()
    ]


def by_boxes(judged: Sequence[Prediction]) -> list[Json]:
    """Images by how many boxes Query 1 named, with I-Acc and Acc of each group: figures 4 and 5 (10 and 11)."""
    counts = np.array([min(len(one.regions), MOST_BOXES) for one in judged], int)
    rights = [metrics.right([said(one) for one in judged], judged) for said in (lambda o: o.v1, lambda o: o.v2)]
    rows: list[Json] = []
    for boxes in range(int(counts.max(initial=0)) + 1):
        among = (counts == boxes).astype(float)
        shown = {name: resampling.bootstrap_mean(own, among=among) for name, own in zip(("i_acc", "acc"), rights, strict=True)}
        name = f"{boxes} or more" if boxes == MOST_BOXES else str(boxes)
        share = float(among.mean()) if len(judged) else 0.0
        rows.append({"boxes": name, "images": int(among.sum()), "share": round(share, 4), **resampling.convert_to_json(shown)})
    return rows


def keywords(judged: Sequence[Prediction]) -> list[Json]:
    """Figure 7: the commonest words of the references and of the model's explanations, as shares of each."""
    said = {"references": [one.reference or "" for one in judged], "model": [one.explanation for one in judged]}
    counts = {who: statistics.keywords([text for text in texts if text]) for who, texts in said.items()}
    wholes = {who: sum(bool(text) for text in texts) for who, texts in said.items()}
    top = [word for word, _ in (Counter(counts["references"]) + counts["model"]).most_common(TOP_WORDS)]

    def share(who: str, word: str) -> float:
        return round(counts[who][word] / wholes[who], 4) if wholes[who] else 0.0

    return [{"word": word, **{who: share(who, word) for who in said}} for word in top]


def are_scenes(samples: Sequence[Sample]) -> bool:
    """Whether all are scenes, also as files: only their references tell crop by crop what was painted there."""
    begins = tuple(f"Crop 1: {kind} with " for kind in scenes.Kind)
    return all((sample.reference or "").startswith(begins) for sample in samples)


def by_construction(*, scenes_judged: bool) -> list[str]:
    """Results that hold because scenes were made so, and say nothing about photographs."""
    if not scenes_judged:
        return []
    bound = metrics.view_bound(scenes.TONE_CUE)
    return [
        f"I-Acc is capped: the view of a scene shows its tone alone (d' = {scenes.TONE_CUE}), so no judge of the view "
        f"can be right more often than Phi(d'/2) = {bound:.3f} in the long run. That zooming in gains is how scenes "
        "are made; how much of it this checkpoint gains is measured.",
        "Rows of one turn see the view alone: the bound on I-Acc is theirs on Acc, whatever they are trained for.",
        "Random crops cost: what betrays a generated scene lies inside its detail regions and nowhere else.",
        f"Largest 4 and Largest 3 change next to nothing: a scene has at most {scenes.MAX_REGIONS} regions.",
        "BLEU and ROUGE-L are far above the paper's: references are one sentence a crop, of a few fixed words.",
        "Half size costs: it takes away the finest detail, and nothing else betrays a scene; in a photograph more may.",
    ]
