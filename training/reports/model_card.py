"""The model card of a checkpoint: `metrics` in zoomin.json, and README.md, both from one evaluation."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import CARD_NAME, Checkpoint, CheckpointCard
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation import metrics
from training.evaluation.summary import MEANINGS
from training.reports import stages
from training.reports.stages import SeedResult
from training.synthetic import scenes

TEXT = """\
---
library_name: transformers
license: apache-2.0
tags: [qwen2_5_vl, zoomin, synthetic]
---
# {name}

A Qwen2.5-VL of {parameters:.1f} million parameters, trained from random weights on procedural scenes. It shows the two
queries of ZoomIn at work on any machine; it knows nothing about photographs and must not judge them.

Query 1 sees a 140 x 140 view and names regions; Query 2 adds those regions, cut from the full-size image. A generated
scene differs from real ones by its tone, whose distributions overlap (d' = {cue}), and by artifacts in its regions,
which are too fine for the view. A classifier that sees the view alone can be right in at most
Phi(d'/2) = {bound:.3f} of all scenes: `view_bound` in training/evaluation/metrics.py derives it.

## Metrics

{count} held-out scenes (seeds from {first_seed:,} on), through the product's own `inspect` in {engine}; the interval is
a 95 % bootstrap.

| metric | value | 95 % interval | images |
|---|---|---|---|
{rows}

    zoomin-train evaluate models/{name}    # prints them again
    make train-tiny                        # trains one like it, to the end

## How it was trained

Byte-level BPE over the queries and answers, coordinates 0 to 1000 in steps of 20 as one token each; a patch embedding
that starts as a two-dimensional DCT, each channel whitened; a vision warm-up on dense targets; then supervised
fine-tuning by TRL on both queries, with verdicts weighted 4 and coordinates 1.5.
{stages}
`zoomin.json` is the checkpoint card: box frame, sizes, calibration, uncertain range and these metrics.
"""

STAGES = """
Then GRPO on boxes (stage 1) and on verdict and words (stage 2), each kept only if its weights did better on the
validation scenes; then temperature, bias and the uncertain range, fitted to scenes of their own.

## What each stage added

{stages}
"""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of an evaluation, its number of images, and its engine."""

    metrics: dict[str, Metric]
    count: int
    engine: str


def write_model_card(checkpoint: Checkpoint, evaluation: Evaluation, seed_result: SeedResult | None = None) -> None:
    """Write both into the checkpoint's directory; its revision stays, as it does not cover metrics.

    The result of its stages that is on the checkpoint card stays there, unless `seed_result` replaces it.
    """
    recorded = checkpoint.card.metrics.get(stages.NAME)
    if seed_result is None and recorded is not None:
        seed_result = SeedResult.model_validate(recorded)
    card_metrics: dict[str, object] = {**resampling.convert_to_json(evaluation.metrics)}
    if seed_result:
        card_metrics[stages.NAME] = seed_result.model_dump()
    write_checkpoint_card(checkpoint.path, checkpoint.card.model_copy(update={"metrics": card_metrics}))
    (checkpoint.path / "README.md").write_text(render_model_card(checkpoint.path, evaluation, seed_result))


def write_checkpoint_card(directory: Path, card: CheckpointCard) -> None:
    """Replace zoomin.json at once: a checkpoint with half a card cannot be served."""
    unfinished = directory / f"{CARD_NAME}.part"
    unfinished.write_text(card.model_dump_json(indent=2) + "\n")
    unfinished.replace(directory / CARD_NAME)


def render_model_card(directory: Path, evaluation: Evaluation, seed_result: SeedResult | None) -> str:
    """Render README.md."""
    return TEXT.format(
        name=directory.name,
        parameters=(directory / "model.safetensors").stat().st_size / 2e6,
        cue=scenes.TONE_CUE,
        bound=metrics.view_bound(scenes.TONE_CUE),
        count=f"{evaluation.count:,}",
        first_seed=scenes.HELD_OUT_SEED,
        engine=evaluation.engine,
        rows="\n".join(
            _render_row(meaning, evaluation.metrics[name])
            for name, meaning in MEANINGS.items()
            if name in evaluation.metrics
        ),
        stages=STAGES.format(stages=stages.render_stages(seed_result)) if seed_result else "",
    )


def _render_row(meaning: str, metric: Metric) -> str:
    if metric.value is None:
        return f"| {meaning} | none to judge | | 0 |"
    if metric.low is None or metric.high is None:
        return f"| {meaning} | {metric.value:.3f} | | {metric.n} |"
    return f"| {meaning} | {metric.value:.3f} | {metric.low:.3f} to {metric.high:.3f} | {metric.n} |"
