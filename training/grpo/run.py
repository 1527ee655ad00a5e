"""A GRPO stage from its start to the checkpoint that is served, top to bottom.

`OUT` is a checkpoint to serve; `OUT/grpo` is the run directory (configuration.json, log.jsonl, log.png,
validations.jsonl) and, until the run has ended, holds what a killed run goes on from. On several devices every process
runs this, answers its share of the validation prompts, and decides by all answers; the first one writes.
Invariant: `OUT` holds a config.json only when the run has ended.
"""

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoProcessor, ProcessorMixin, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox
from training.dataset import faults, manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.grpo import trainer as grpo_trainer
from training.grpo import validation
from training.grpo.greedy import GreedyGenerator
from training.grpo.profiles import GrpoProfile, Stage
from training.grpo.run_config import GrpoRun
from training.grpo.validation import ValidationResult
from training.grpo.validator import Validator
from training.runs import adapters, processes, publishing, resumable, resuming, run_log
from training.runs import prompts as run_prompts
from training.runs.prompts import Prompt
from training.runs.run_log import RunLog


@dataclass(frozen=True, slots=True)
class GrpoOutcome:
    """The metrics of the start and of the chosen weights, and the checks that other weights failed, by step."""

    start: ValidationResult
    chosen: ValidationResult
    failed_checks: dict[int, list[str]]

    @property
    def improved(self) -> bool:
        return self.chosen.step > 0


def run_grpo(run: GrpoRun) -> GrpoOutcome | None:
    """Train one stage and write the checkpoint; return None in a process that only helps the first one.

    Raises: BadSettings when the data or the directory cannot be used; TrainingFailed; what decoding an image raises.
    """
    _refuse_finished_directories(run)
    resumable.refuse_missing_reporter(run.profile.report_to)
    processes.refuse_unshared_gpus()
    entries = _read_training_entries(run.data, run.profile)
    validation_entries = _read_validation_entries(run, entries)
    state = processes.join_processes()
    if state.is_main_process:
        _open_run_directory(run, entries)
    state.wait_for_everyone()
    processes.set_threads(run.threads)
    resumable.silence_transformers()
    model, processor = _load_start(run.start.path, run.profile.dtype)
    config = grpo_trainer.build_grpo_config(run.profile, processor, run.directory, run.seed)
    generator = GreedyGenerator(model, processor.tokenizer, run.start.card, run.profile.validation_tokens)
    validator = Validator(run, generator, validation_entries)
    validator.validate(0, model, keep=None)
    grpo_trainer.train_grpo(
        model,
        processor,
        _build_prompts(run, generator, entries),
        run.start.card,
        profile=run.profile,
        config=config,
        title=f"GRPO stage {run.stage}",
        seconds=run.minutes * 60,
        threads=run.threads,
        validate=validator.validate,
    )
    outcome = _decide_outcome(run.stage, validator.results, run.choose_result(validator.results))
    if state.is_main_process:
        _plot_grpo_log(run)
        _publish_outcome(run, outcome, publishing.digest_entries(entries))
        _delete_unfinished_work(run.directory)
    state.wait_for_everyone()
    return outcome if state.is_main_process else None


def _refuse_finished_directories(run: GrpoRun) -> None:
    """Raise when a directory that the run writes holds a finished checkpoint.

    A run that goes on may have written `--refused` before it was killed. Raises: BadSettings.
    """
    publishing.refuse_finished(run.out, "--out")
    if run.refused and not run.directory.exists():
        publishing.refuse_finished(run.refused, "--refused")


def _read_training_entries(data: Path, profile: GrpoProfile) -> list[LabeledImage]:
    """Read the images that are trained on. Raises: BadSettings when they are too few or have faults."""
    entries = read_split(data, Split.TRAIN)
    if len(entries) < profile.prompts:
        raise BadSettings(
            f"{data} has {len(entries)} images to train on; a step takes {profile.prompts}: lower --prompts"
        )
    return entries


def _read_validation_entries(run: GrpoRun, entries: Sequence[LabeledImage]) -> list[LabeledImage]:
    """Read the images that decide, and check them against those that are trained on.

    Raises: BadSettings when there are none, when either set has faults, or when both hold the same image.
    """
    validation_entries = read_split(run.validation, Split.VALIDATION)[: run.profile.validation_images]
    if not validation_entries:
        raise BadSettings(f"{run.validation} has no image to validate on; name another with --validation-data")
    if run.data == run.validation and {e.file for e in entries} & {e.file for e in validation_entries}:
        raise BadSettings(f"{run.data} has no splits; name another set with --validation-data")
    faults.refuse_unfit(run.data, entries)
    faults.refuse_unusable(run.validation, validation_entries)
    faults.refuse_shared(run.data, entries, run.validation, validation_entries)
    return validation_entries


def read_split(directory: Path, split: Split) -> list[LabeledImage]:
    """Read the images of a set that are of this split, or of none."""
    return [entry for entry in manifest.read_manifest(directory) if entry.split in (None, split)]


def _open_run_directory(run: GrpoRun, entries: Sequence[LabeledImage]) -> None:
    """Write the run config, and delete the checkpoints that a killed run had not finished.

    Raises: BadSettings when the directory belongs to another run.
    """
    run.directory.mkdir(parents=True, exist_ok=True)
    publishing.write_run_config(run.directory, _describe_run(run, entries))
    resuming.delete_unfinished(run.directory)


def _describe_run(run: GrpoRun, entries: Sequence[LabeledImage]) -> dict[str, object]:
    """Return everything that must be the same when a killed run goes on."""
    return run.resolved.to_json() | {
        "stage": run.stage,
        "seed": run.seed,
        "minutes": run.minutes if math.isfinite(run.minutes) else None,
        "start": {"name": run.start.name, "revision": run.start.revision},
        "data": {"images": len(entries), "digest": publishing.digest_entries(entries)},
        "refused": run.refused is not None,
    }


def _load_start(path: Path, dtype: str) -> tuple[Qwen2_5_VLForConditionalGeneration, ProcessorMixin]:
    """Load the model, and a processor that pads on the left, so that all answers begin at one place."""
    processor = AutoProcessor.from_pretrained(path, padding_side="left")
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype=getattr(torch, dtype))
    return model.to(processes.join_processes().device), processor


def _build_prompts(run: GrpoRun, generator: GreedyGenerator, entries: Sequence[LabeledImage]) -> list[Prompt]:
    """Build the stage's prompts: Query 1 in stage 1, Query 2 in stage 2."""
    if run.stage == 1:
        return run_prompts.build_scan_prompts(run.data, entries)
    if run.is_one_turn:
        return run_prompts.build_one_turn_prompts(run.data, entries)
    return run_prompts.build_check_prompts(
        run.data,
        entries,
        _find_own_boxes(run, generator, entries),
        own_fraction=run.profile.own_boxes_fraction,
        scan_fraction=run.profile.scan_fraction,
        seed=run.seed,
    )


def _find_own_boxes(
    run: GrpoRun, generator: GreedyGenerator, entries: Sequence[LabeledImage]
) -> list[tuple[BoundingBox, ...]]:
    """Return the start's own boxes on the training images.

    They are found once and written down: a killed run reads the same boxes again when it goes on.
    """
    path, state = run.directory / "own_boxes.json", processes.join_processes()
    exists = path.exists()
    state.wait_for_everyone()  # every process has looked before the first one writes
    if not exists:
        _, boxes = validation.scan_images(generator, run.data, entries, "the model's own boxes")
        if state.is_main_process:
            unfinished = path.with_suffix(".part")
            unfinished.write_text(json.dumps([[box.corners for box in of_image] for of_image in boxes]))
            unfinished.replace(path)
        state.wait_for_everyone()
    return [tuple(BoundingBox(*corners) for corners in of_image) for of_image in json.loads(path.read_text())]


def _decide_outcome(stage: Stage, results: Sequence[ValidationResult], chosen: ValidationResult) -> GrpoOutcome:
    """Compare every other validated step with the start, which is the first of `results`."""
    start = results[0]
    failed = {new.step: validation.find_failed_checks(stage, new, start) for new in results[1:] if new != chosen}
    return GrpoOutcome(start, chosen, {step: checks for step, checks in failed.items() if checks})


def _plot_grpo_log(run: GrpoRun) -> None:
    """Draw the metrics of every step into log.png."""
    if steps := open_grpo_log(run).read():
        run_log.plot_log(steps, f"GRPO stage {run.stage} of {run.start.name}").save(run.directory / "log.png")


def _publish_outcome(run: GrpoRun, outcome: GrpoOutcome, digest: str) -> None:
    """Write the chosen weights as a checkpoint, or the start unchanged; then `refused` gets the last weights."""
    if outcome.improved:
        _publish_weights(run, outcome.chosen.step, run.out, digest)
        return
    if run.refused and outcome.failed_checks:
        _publish_weights(run, max(outcome.failed_checks), run.refused, digest)
    publishing.publish_checkpoint(run.start.path, run.out)


def _publish_weights(run: GrpoRun, step: int, out: Path, digest: str) -> None:
    """Write the weights of a step as a complete checkpoint, in the start's dtype.

    Raises: TrainingFailed when it cannot be written.
    """
    remaining = f"{run.directory} stays"
    with resuming.translate_write_errors(f"the checkpoint in {out}", remaining):
        unfinished = run.directory / publishing.MADE
        weights = _load_weights(run.start, run.locate_weights(step), adapters_alone=run.profile.trained == "lora")
        weights.save_pretrained(unfinished)
        publishing.complete_checkpoint(unfinished, run.start, digest)
        publishing.publish_checkpoint(unfinished, out)
        shutil.rmtree(unfinished)


def _load_weights(start: Checkpoint, path: Path, *, adapters_alone: bool) -> Qwen2_5_VLForConditionalGeneration:
    """Load trained weights in the start's dtype, with adapters merged into them."""
    dtype = AutoConfig.from_pretrained(start.path).dtype or torch.bfloat16
    if adapters_alone:
        return adapters.merge_adapter(start.path, path, dtype)
    return Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype=dtype)


def _delete_unfinished_work(directory: Path) -> None:
    """Delete what only a run that has not ended needs."""
    for path in [*directory.glob("checkpoint-*"), *directory.glob("weights-*")]:
        shutil.rmtree(path)


def open_grpo_log(run: GrpoRun) -> RunLog:
    """Return the log of the run's steps."""
    return RunLog(run.directory / grpo_trainer.LOG_NAME)
