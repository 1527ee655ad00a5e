"""The paper report of a checkpoint: every table and figure as numbers, and the page that shows them."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from training.evaluation.summary import Json
from training.paper import attention_map, table_1, tables
from training.paper.ablation_results import AblationResult
from training.paper.measurements import Measurements
from training.paper.report_sets import ReportSets
from training.reports import examples, page, scene_limits


def build_report(
    checkpoint: Checkpoint,
    sets: ReportSets,
    measured: Measurements,
    results: Mapping[str, AblationResult],
    *,
    machine: str,
) -> Json:
    """Return the numbers of all tables, and of the figures that need no picture."""
    own = measured.predictions[table_1.OWN]
    rows = tables.build_table_1(sets.samples, measured.predictions, checkpoint.card, results)
    gaps = [gap for row in rows if row["identity_gap"] and (gap := row["identity_gap"]["value"]) is not None]
    kinds = Counter(examples.classify_example(p.label, p.scan_verdict, p.check_verdict) for p in own)
    return {
        "model": {
            "name": checkpoint.name,
            "revision": checkpoint.revision,
            "prompt_version": PROMPT_VERSION,
            "engine": measured.engine,
        },
        "set": page.describe_set(sets.title, [prediction.label for prediction in own]),
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "machine": machine,
        "by_construction": scene_limits.list_scene_limits() if sets.name == "scenes" else [],
        "table1": rows,
        "table1_equal_budget": tables.build_equal_budget_row(results),
        "random_crop_cost": tables.measure_random_crop_cost(measured.predictions),
        "largest_identity_gap": max(gaps, default=None),
        "table2": tables.build_table_2({sets.name: (sets.title, own), **measured.others}, own),
        "met_in_training": sets.contamination,
        "table3": tables.build_table_3(measured.predictions),
        "table4": tables.build_table_4(measured.latencies, machine),
        "figure4_5": tables.group_by_boxes(own),
        "figure7": tables.compare_keywords(own),
        "figure10_11": [
            {"title": title, "rows": tables.group_by_boxes(predictions)}
            for title, predictions in measured.others.values()
        ],
        "gallery_counts": {name: kinds[name] for name in examples.KINDS},
    }


def write_paper_report(
    out: Path,
    checkpoint: Checkpoint,
    sets: ReportSets,
    measured: Measurements,
    results: Mapping[str, AblationResult],
    *,
    machine: str,
) -> Path:
    """Compute the attention maps, write report.html and report.json into `out`, and return the page's path."""
    maps = attention_map.compute_attention_maps(checkpoint, measured.scanned)
    captioned = [(attention.caption, attention_map.draw_map(attention)) for attention in maps]
    pictures = page.Pictures(measured.examples, examples.draw_tiles(sets.samples), captioned)
    numbers = build_report(checkpoint, sets, measured, results, machine=machine)
    numbers |= {"figure9": attention_map.summarize_maps(maps), "galleries": pictures.list_galleries()}
    page.write_report(out, numbers, "paper.html.jinja", pictures=pictures, kinds=examples.KINDS)
    return out / page.HTML_NAME
