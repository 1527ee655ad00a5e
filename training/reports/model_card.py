"""What a checkpoint says about itself: `metrics` in zoomin.json, and README.md, both from one evaluation."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import CARD_NAME, Checkpoint, CheckpointCard
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation import metrics
from training.evaluation.summary import MEANINGS
from training.reports import stages
from training.reports.stages import Record
from training.synthetic import scenes

TEXT = """\
---
library_name: transformers
license: apache-2.0
tags: [qwen2_5_vl, zoomin, synthetic]
---
# {name}

A Qwen2.5-VL of {parameters:.1f} million parameters, trained from nothing on procedural scenes. It shows the two queries
of ZoomIn at work on any machine; it knows nothing about photographs and must not judge them.

Query 1 sees a 140 x 140 view and names regions; Query 2 adds those regions, cut from the full-size image. A generated
scene betrays itself by its tone, which overlaps with that of real ones (d' = {cue}), and by artifacts in its regions,
which are too fine for the view. A judge of the view alone can be right in at most Phi(d'/2) = {bound:.3f} of all
scenes: `view_bound` in training/evaluation/metrics.py derives it.

## Figures

{count} held-out scenes (seeds from {first_seed:,} on), through the product's own `inspect` in {engine}; the interval is
a 95 % bootstrap.

| figure | value | 95 % interval | images |
|---|---|---|---|
{rows}

    zoomin-train evaluate models/{name}    # prints them again
    make train-tiny                        # trains one like it, to the end

## How it was trained

Byte-level BPE over the queries and answers, coordinates 0 to 1000 in steps of 20 as one token each; a patch embedding
that starts as a two-dimensional DCT, each channel whitened; a vision warm-up on dense targets; then supervised
fine-tuning by TRL on both queries, with verdicts weighted 4 and coordinates 1.5.
{stages}
`zoomin.json` says how the checkpoint wants to be asked.
"""

STAGES = """
Then GRPO on boxes (stage 1) and on verdict and words (stage 2), each kept only if its weights did better on the scenes
that choose; then temperature, bias and the uncertain range, fitted to scenes of their own.

## What each stage added

{told}
"""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation's figures and what they were measured with."""

    shown: dict[str, Metric]
    count: int
    engine: str


def write(checkpoint: Checkpoint, evaluation: Evaluation, record: Record | None = None) -> None:
    """Into the checkpoint's directory; its revision stays, as it does not cover metrics.

    What its stages added stays on the card too, unless there is a new `record` of it.
    """
    told = checkpoint.card.metrics.get(stages.NAME)
    if record is None and told is not None:
        record = Record.model_validate(told)
    shown: dict[str, object] = {**resampling.convert_to_json(evaluation.shown)}
    if record:
        shown[stages.NAME] = record.model_dump()
    write_card(checkpoint.path, checkpoint.card.model_copy(update={"metrics": shown}))
    (checkpoint.path / "README.md").write_text(render(checkpoint.path, evaluation, record))


def write_card(directory: Path, card: CheckpointCard) -> None:
    """Whole or not at all: a checkpoint with half a card cannot be served."""
    unfinished = directory / f"{CARD_NAME}.part"
    unfinished.write_text(card.model_dump_json(indent=2) + "\n")
    unfinished.replace(directory / CARD_NAME)


def render(directory: Path, evaluation: Evaluation, record: Record | None) -> str:
    """The model card as Markdown."""
    return TEXT.format(
        name=directory.name,
        parameters=(directory / "model.safetensors").stat().st_size / 2e6,
        cue=scenes.TONE_CUE,
        bound=metrics.view_bound(scenes.TONE_CUE),
        count=f"{evaluation.count:,}",
        first_seed=scenes.HELD_OUT_SEED,
        engine=evaluation.engine,
        rows="\n".join(
            _row(meaning, evaluation.shown[name]) for name, meaning in MEANINGS.items() if name in evaluation.shown
        ),
        stages=STAGES.format(told=stages.markdown(record)) if record else "",
    )


def _row(meaning: str, figure: Metric) -> str:
    if figure.value is None:
        return f"| {meaning} | none to judge | | 0 |"
    if figure.low is None or figure.high is None:
        return f"| {meaning} | {figure.value:.3f} | | {figure.n} |"
    return f"| {meaning} | {figure.value:.3f} | {figure.low:.3f} to {figure.high:.3f} | {figure.n} |"
