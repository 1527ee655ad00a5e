"""Predictions of one set of weights on images that training never sees."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline import geometry
from pipeline.verdict import BoundingBox
from training.common.progress import Progress
from training.dataset.labeled_image import LabeledImage
from training.evaluation.metrics import Prediction
from training.runs import prompts as run_prompts
from training.runs.completions import ParsedCompletion
from training.validation.greedy import GreedyGenerator


def scan_images(
    generator: GreedyGenerator, directory: Path, entries: Sequence[LabeledImage], title: str
) -> tuple[list[ParsedCompletion], list[tuple[BoundingBox, ...]]]:
    """Answer Query 1 on each image, and return the completions and the boxes that serving would zoom into."""
    progress = Progress(title, len(entries))
    completions = generator.generate(run_prompts.build_scan_prompts(directory, entries), progress.show)
    # `geometry.choose_zoomable` without its clipping: regions that were read lie inside the image.
    most = generator.card.max_crops
    return completions, [tuple(geometry.drop_repeated_boxes(scan.regions)[:most]) for scan in completions]


def predict_images(
    generator: GreedyGenerator, directory: Path, entries: Sequence[LabeledImage], *, one_turn: bool
) -> list[Prediction]:
    """Answer both queries on each image, or in one turn Query 2 alone."""
    predict = predict_uncropped if one_turn else predict_two_turns
    return predict(generator, directory, entries)


def predict_two_turns(generator: GreedyGenerator, directory: Path, entries: Sequence[LabeledImage]) -> list[Prediction]:
    """Answer both queries on each image, Query 2 with crops at the model's own boxes."""
    scans, boxes = scan_images(generator, directory, entries, "validation, query 1")
    prompts = [
        replace(prompt, crops=crops)
        for prompt, crops in zip(run_prompts.build_scan_prompts(directory, entries), boxes, strict=True)
    ]
    progress = Progress("validation, query 2", len(prompts))
    checks = generator.generate(prompts, progress.show)
    return [
        Prediction(
            entry.label,
            scan.verdict,
            check.verdict,
            scan.regions,
            entry.regions,
            explanation=check.explanation,
            reference=entry.explanations.check if entry.explanations else None,
            undrawn=entry.boxes is None,
        )
        for entry, scan, check in zip(entries, scans, checks, strict=True)
    ]


def predict_uncropped(generator: GreedyGenerator, directory: Path, entries: Sequence[LabeledImage]) -> list[Prediction]:
    """Answer Query 2 without crops on each image; its verdict counts as that of both queries."""
    prompts = run_prompts.build_one_turn_prompts(directory, entries)
    completions = generator.generate(prompts, Progress("validation, one turn", len(prompts)).show)
    return [
        Prediction(
            entry.label,
            completion.verdict,
            completion.verdict,
            (),
            entry.regions,
            explanation=completion.explanation,
            reference=prompt.reference or None,
            undrawn=entry.boxes is None,
        )
        for entry, prompt, completion in zip(entries, prompts, completions, strict=True)
    ]
