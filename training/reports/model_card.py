"""The model card of a checkpoint: `metrics` in zoomin.json, and README.md, both from one evaluation.

README.md is written where there is none. In one that has a section of metrics between our marks, this section alone is
replaced; any other README.md is somebody else's and stays as it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from pipeline.checkpoint import CARD_NAME, Checkpoint, CheckpointCard
from training.common import resampling
from training.common.resampling import Metric
from training.common.whole_file import write_whole
from training.evaluation.summary import MEANINGS

BEGIN, END = "<!-- metrics: zoomin-train evaluate --write-card -->", "<!-- end of metrics -->"
TEXT = """\
---
library_name: transformers
tags: [qwen2_5_vl, zoomin]
---
# {name}

A Qwen2.5-VL of {parameters} parameters for the two queries of ZoomIn. Query 1 sees the whole image, at most
{scan_max_pixels:,} pixels of it; Query 2 adds up to {max_crops} regions that Query 1 named, cut from the full-size
image, at most {crop_max_pixels:,} pixels each. How well it judges is known for the images below and for no others.

Trained on {trained_on}. Its license is that of the model that it was made from.

{section}

`zoomin.json` is the checkpoint card: box frame, sizes, calibration, threshold, uncertain range and these metrics. The
range is fitted by `zoomin-train calibrate`, whose promise for verdicts outside of it holds with 90 % confidence on
each side by itself, and on both at once with at least 80 %.
"""
SECTION = """\
{begin}
## Metrics

{count:,} {images}, through the product's own `inspect` in {engine}; the interval is a 95 % bootstrap.

| metric | value | 95 % interval | images |
|---|---|---|---|
{rows}

    zoomin-train evaluate {options}    # prints them again
{end}"""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of an evaluation, its engine, its images with their number, and the command's options."""

    metrics: dict[str, Metric]
    count: int
    images: str
    engine: str
    options: str


def write_model_card(checkpoint: Checkpoint, evaluation: Evaluation) -> bool:
    """Write both; the checkpoint's revision stays, as it does not cover metrics. Returns False if README.md stays."""
    write_metrics(checkpoint, resampling.convert_to_json(evaluation.metrics))
    readme = checkpoint.path / "README.md"
    if not readme.exists():
        readme.write_text(_render_readme(checkpoint, evaluation))
        return True
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        readme.write_text(before + render_section(evaluation) + after)
    return bool(begin and end)


def write_metrics(checkpoint: Checkpoint, metrics: Mapping[str, object]) -> None:
    """Replace all metrics of zoomin.json; what a training recorded beside them stays."""
    recorded = {name: value for name, value in checkpoint.card.metrics.items() if not _is_measured(value)}
    write_checkpoint_card(checkpoint.path, checkpoint.card.model_copy(update={"metrics": {**recorded, **metrics}}))


def _is_measured(value: object) -> bool:
    """Tell whether it has the form of a metric of an evaluation; others may have written plain numbers there."""
    return isinstance(value, Mapping) and "value" in value


def write_checkpoint_card(directory: Path, card: CheckpointCard) -> None:
    """Replace zoomin.json at once: a checkpoint with half a card cannot be served."""
    with write_whole(directory / CARD_NAME) as unfinished:
        unfinished.write_text(card.model_dump_json(indent=2) + "\n")


def render_section(evaluation: Evaluation) -> str:
    """Render the section of metrics with its marks."""
    known = {name: meaning for name, meaning in MEANINGS.items() if name in evaluation.metrics}
    return SECTION.format(
        begin=BEGIN,
        count=evaluation.count,
        images=evaluation.images,
        engine=evaluation.engine,
        rows="\n".join(_render_row(meaning, evaluation.metrics[name]) for name, meaning in known.items()),
        options=evaluation.options,
        end=END,
    )


def count_parameters(directory: Path) -> int:
    """Count the parameters in all weight files of a checkpoint, without reading the weights."""
    count = 0
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(file, "numpy") as weights:
            count += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return count


def format_parameters(count: int) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million"


def _render_readme(checkpoint: Checkpoint, evaluation: Evaluation) -> str:
    card = checkpoint.card
    return TEXT.format(
        name=checkpoint.name,
        parameters=format_parameters(count_parameters(checkpoint.path)),
        scan_max_pixels=card.scan_max_pixels,
        crop_max_pixels=card.crop_max_pixels,
        max_crops=card.max_crops,
        trained_on=f"the images with the digest {card.trained_on}" if card.trained_on else "images that no card names",
        section=render_section(evaluation),
    )


def _render_row(meaning: str, metric: Metric) -> str:
    if metric.value is None:
        return f"| {meaning} | none to judge | | 0 |"
    if metric.low is None or metric.high is None:
        return f"| {meaning} | {metric.value:.3f} | | {metric.n} |"
    return f"| {meaning} | {metric.value:.3f} | {metric.low:.3f} to {metric.high:.3f} | {metric.n} |"
