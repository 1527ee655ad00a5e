"""The paper report of a checkpoint: every table and figure as numbers, and the page that shows them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from training.dataset import broken
from training.evaluation.summary import Json
from training.paper import attention_map, table_1, tables
from training.paper.ablation_results import AblationResult
from training.paper.measurements import Measurements
from training.paper.report_sets import ReportSets
from training.reports import examples, page, scene_limits


@dataclass(frozen=True, slots=True)
class DetectorRows:
    """The rows of other detectors in tables 1 to 4, and the finding about each.

    `table_2` and `table_3` have them by set and by degradation.
    """

    table_1: Sequence[Json] = ()
    table_2: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    table_3: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    table_4: Sequence[Json] = ()
    findings: Sequence[Json] = ()

    def add_to(self, report: Json) -> Json:
        """Return the report with these rows."""
        return report | {
            "table1": [*report["table1"], *self.table_1],
            "table2": [row | {"detectors": list(self.table_2.get(row["set"], ()))} for row in report["table2"]],
            "table3": [row | {"detectors": list(self.table_3.get(row["degradation"], ()))} for row in report["table3"]],
            "table4": [*report["table4"], *self.table_4],
            "detectors": list(self.findings),
        }


NO_DETECTORS = DetectorRows()


def build_report(
    checkpoint: Checkpoint,
    sets: ReportSets,
    measured: Measurements,
    results: Mapping[str, AblationResult],
    *,
    machine: str,
    detectors: DetectorRows = NO_DETECTORS,
) -> Json:
    """Return the numbers of all tables, and of the figures that need no picture."""
    own = measured.predictions[table_1.OWN]
    rows = tables.build_table_1(measured.predictions, results)
    gaps = [gap for row in rows if row["identity_gap"] and (gap := row["identity_gap"]["value"]) is not None]
    kinds = Counter(examples.classify_example(p.label, p.scan_verdict, p.check_verdict) for p in own)
    report: Json = {
        "model": _describe_model(checkpoint, measured.engine),
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
        "left_out": {name: broken.convert_to_json(faults) for name, faults in sets.left_out.items()},
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
    return detectors.add_to(report)


def _describe_model(checkpoint: Checkpoint, engine: str) -> Json:
    return {
        "name": checkpoint.name,
        "revision": checkpoint.revision,
        "prompt_version": PROMPT_VERSION,
        "engine": engine,
    }


def write_paper_report(
    out: Path,
    checkpoint: Checkpoint,
    sets: ReportSets,
    measured: Measurements,
    results: Mapping[str, AblationResult],
    *,
    machine: str,
    detectors: DetectorRows = NO_DETECTORS,
) -> Path:
    """Compute the attention maps, write report.html and report.json into `out`, and return the page's path."""
    maps = attention_map.compute_attention_maps(checkpoint, measured.scanned)
    captioned = [(attention.caption, attention_map.draw_map(attention)) for attention in maps]
    tiles = examples.draw_tiles(sets.samples, measured.predictions[table_1.OWN])
    pictures = page.Pictures(measured.examples, tiles, captioned)
    numbers = build_report(checkpoint, sets, measured, results, machine=machine, detectors=detectors)
    numbers |= {"figure9": attention_map.summarize_maps(maps), "galleries": pictures.list_galleries()}
    page.write_report(out, numbers, "paper.html.jinja", pictures=pictures, kinds=examples.KINDS)
    return out / page.HTML_NAME
