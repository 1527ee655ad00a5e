"""The tiny model's README.md: what it is, its metrics, and what each stage of its training added."""

from pipeline.checkpoint import Checkpoint
from training.evaluation import metrics
from training.reports import model_card, seed_gains
from training.reports.model_card import Evaluation
from training.reports.seed_gains import SeedResult
from training.synthetic import scenes

TEXT = """\
---
library_name: transformers
license: apache-2.0
tags: [qwen2_5_vl, zoomin, synthetic]
---
# {name}

A Qwen2.5-VL of {parameters} parameters, trained from random weights on procedural scenes. It shows the two
queries of ZoomIn at work on any machine; it knows nothing about photographs and must not judge them.

Query 1 sees a 140 x 140 view and names regions; Query 2 adds those regions, cut from the full-size image. A generated
scene differs from real ones by its tone, whose distributions overlap (d' = {cue}), and by artifacts in its regions,
which are too fine for the view. A classifier that sees the view alone can be right in at most
Phi(d'/2) = {bound:.3f} of all scenes: `view_bound` in training/evaluation/metrics.py derives it.
`make train-tiny` trains one like it, to the end.

{section}

## How it was trained

Byte-level BPE over the queries and answers, coordinates 0 to 1000 in steps of 20 as one token each; a patch embedding
that starts as a two-dimensional DCT, each channel whitened; a vision warm-up on dense targets; then supervised
fine-tuning by TRL on both queries, with verdicts weighted 4 and coordinates 1.5.

Then GRPO on boxes (stage 1) and on verdict and words (stage 2), each kept only if its weights did better on the
validation scenes; then temperature, bias and the uncertain range, fitted to scenes of their own. Outside of the range
at most 2 % of the published verdicts are wrong on either side, with 90 % confidence for each side by itself.

## What each stage added

{stages}

`zoomin.json` is the checkpoint card: box frame, sizes, calibration, threshold, uncertain range and these metrics.
"""


def write_tiny_card(checkpoint: Checkpoint, evaluation: Evaluation, seed_result: SeedResult) -> None:
    """Write README.md, and metrics and stages into zoomin.json."""
    model_card.write_model_card(checkpoint, evaluation)
    described = Checkpoint.read(checkpoint.path)
    model_card.write_metrics(described, {**described.card.metrics, seed_gains.NAME: seed_result.model_dump()})
    (checkpoint.path / "README.md").write_text(
        TEXT.format(
            name=checkpoint.name,
            parameters=model_card.format_parameters(model_card.count_parameters(checkpoint.path)),
            cue=scenes.TONE_CUE,
            bound=metrics.view_bound(scenes.TONE_CUE),
            section=model_card.render_section(evaluation),
            stages=seed_gains.render_stages(seed_result),
        )
    )
