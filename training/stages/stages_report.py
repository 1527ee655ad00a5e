"""The report of the experiment: the page with arms, claims and rewards, and the claims as text."""

from collections.abc import Mapping
from pathlib import Path

from training.common import resampling
from training.evaluation.summary import Json
from training.reports import page, seed_gains
from training.reports.page import format_interval, format_signed
from training.reports.seed_gains import SeedResult
from training.runs import run_log
from training.runs.run_log import Line
from training.stages.differences import METRICS
from training.stages.results_file import StagesResult

HEADS: Mapping[str, str] = {
    "acc": "Acc",
    "acc_annotated": "Acc, annotated boxes",
    "i_acc": "I-Acc",
    "c_acc": "C-Acc",
    "c_acc_annotated": "C-Acc, annotated boxes",
    "iou_recall": "recall of IoU",
    "iou_f1": "f1 of IoU",
    "iou": "IoU (Eq. 2)",
    "boxes": "boxes",
    "bleu2": "BLEU-2",
    "unparsed": "unreadable",
}
SATURATED = ("acc", "iou_recall", "iou_f1", "bleu2")


def write_stages_report(
    out: Path, result: StagesResult, logs: Mapping[str, list[Line]], seeds: Mapping[int, SeedResult]
) -> Path:
    """Write report.html and report.json into `out`, and return the page's path; `seeds` is the saturated start."""
    plots = [(title, run_log.plot_log(lines, title)) for title, lines in logs.items()]
    numbers: Json = result.model_dump(mode="json") | {"saturated": _list_saturated(seeds)}
    page.write_report(out, numbers, "stages.html.jinja", heads=HEADS, plots=plots, metrics=METRICS)
    return out / page.HTML_NAME


def _list_saturated(seeds: Mapping[int, SeedResult]) -> list[Json]:
    """Return what each stage of GRPO added to the shipped model's fine-tuning, by seed."""
    return [
        {
            "seed": seed,
            "stage": seed_gains.TITLES[stage.name],
            "kept": stage.kept,
            "added": resampling.convert_to_json({name: stage.added[name] for name in SATURATED}),
        }
        for seed, result in seeds.items()
        for stage in result.stages
        if stage.name.startswith("grpo") and stage.added
    ]


def format_claims(result: StagesResult) -> str:
    """Return where the start lies, and each claim that was tested with its outcome and difference, as text."""
    tested = [claim for claim in result.claims if claim.difference is not None]
    if not tested:
        return f"{result.start_note}\nno claim is tested yet: its arms are not trained"
    differences = resampling.convert_to_json({claim.name: claim.difference for claim in tested if claim.difference})
    lines = [
        f"{claim.outcome:21}  {claim.text} ({claim.arm} against {claim.against}): "
        f"{format_signed(differences[claim.name])} [{format_interval(differences[claim.name])}]"
        for claim in tested
    ]
    return "\n".join([result.start_note, *lines])
