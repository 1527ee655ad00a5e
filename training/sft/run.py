"""A fine-tuning run from its start to the checkpoint that is served, top to bottom.

`OUT` is a checkpoint to serve; `OUT/sft` is the run directory (configuration.json, log.jsonl, outcome.json) and, until
the run has ended, holds what a killed run goes on from. On several devices every process runs this, and the first one
writes.
Invariant: `OUT` holds a config.json only when the run has ended.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration
from transformers.utils import logging

from pipeline.errors import BadSettings
from training.dataset import faults, splits
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation.metrics import Prediction
from training.qwen import patch_embedding
from training.runs import processes, publishing, resumable, resuming, weights
from training.runs.prompts import Prompt
from training.runs.run_log import RunLog
from training.runs.weights import SurvivingUpdate
from training.sft import rows as sft_rows
from training.sft import trainer as sft_trainer
from training.sft.journal import LOG_NAME
from training.sft.rows import CropDraws
from training.sft.run_config import SftRun
from training.synthetic import scene_files
from training.validation import outcome as validated
from training.validation import served, sets
from training.validation.outcome import ValidatedOutcome


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The entries that a run learns from, and their rows as prompts."""

    entries: list[LabeledImage]
    prompts: list[Prompt]

    @property
    def digest(self) -> str:
        return publishing.digest_entries(self.entries)


@dataclass(frozen=True, slots=True)
class SftOutcome:
    """The share of the update that is left in the published weights, and the decision on them where there was one."""

    surviving: SurvivingUpdate
    validated: ValidatedOutcome | None = None


def run_sft(run: SftRun) -> SftOutcome | None:
    """Fine-tune the start, and publish the last weights; the start where `kept` is better and no rise is seen.

    Returns None in a process that only helps.
    Raises: BadSettings, TrainingFailed; what decoding an image of the data raises.
    """
    validated.refuse_finished_directories(run.directory, run.out, run.refused)
    resumable.refuse_missing_reporter(run.profile.report_to)
    processes.refuse_unshared_gpus()
    training_set = _read_training_set(run)
    validation_entries = _read_validation_entries(run, training_set)
    state = processes.join_processes()
    if state.is_main_process:
        _open_run_directory(run, training_set, validation_entries)
    state.wait_for_everyone()
    processes.set_threads(run.threads)
    if not run.is_validated:
        surviving = _train(run, training_set)
        return _publish_last_weights(run, surviving, training_set.digest) if surviving else None
    start = served.predict_start(run.validation_plan, run.start, validation_entries)
    surviving = _train(run, training_set)
    processes.free_memory()
    trained = served.predict_trained(run.validation_plan, run.start, training_set.digest, validation_entries)
    outcome = _publish_better_weights(run, training_set, start, trained, surviving) if surviving else None
    state.wait_for_everyone()
    return outcome


def _train(run: SftRun, training_set: TrainingSet) -> SurvivingUpdate | None:
    """Train, and write the last weights as they would be published; nothing of the trainer stays in memory."""
    trainer = sft_trainer.train_sft(
        _load_model(run.start.path, run.profile.dtype),
        AutoProcessor.from_pretrained(run.start.path),
        training_set.prompts,
        run.start.card,
        profile=run.profile,
        seed=run.seed,
        directory=run.directory,
        threads=run.threads,
    )
    remaining = f"{resuming.find_last_checkpoint(run.directory)} stays"
    with resuming.translate_write_errors(f"the checkpoint in {run.out}", remaining):
        dtype = weights.choose_publish_dtype(run.profile, run.start)
        return weights.write_trained_weights(trainer, run.start, run.directory, dtype)


def _read_validation_entries(run: SftRun, training_set: TrainingSet) -> list[LabeledImage]:
    """Read the images that decide; none where nothing is decided. Raises: BadSettings."""
    if not run.is_validated:
        return []
    served.choose_engine(run.validation_plan)
    return sets.read_validation_entries(run.data, training_set.entries, run.validation, run.profile.validation_images)


def _read_training_set(run: SftRun) -> TrainingSet:
    """Read the images that are trained on, and their rows.

    Raises: BadSettings when the set has faults or held-out scenes, or gives fewer rows than a step takes.
    """
    data, profile = run.data, run.profile
    entries = splits.read_split(data, Split.TRAIN)
    scene_files.refuse_held_out(data, entries)
    sizes = faults.refuse_unfit(data, entries)
    draws = CropDraws(run.seed, sizes) if profile.crops == "drawn" else None
    drawn = sft_rows.build_prompts(data, entries, profile.variant, run.start.card.max_crops, draws)
    if len(drawn.prompts) < profile.rows:
        raise BadSettings(
            f"{data} gives {len(drawn.prompts)} rows to train on ({len(entries)} images); a step takes {profile.rows}: "
            "label more images, or lower --rows"
        )
    if drawn.unexplained and processes.join_processes().is_main_process:
        undrawn = sum(entry.boxes is None for entry in entries)
        print(
            f"{len(drawn.unexplained)} of {len(entries)} images have no explanation, {undrawn} no drawn boxes: their "
            "rows teach the rest of their answers",
            file=sys.stderr,
        )
    return TrainingSet(entries, drawn.prompts)


def _open_run_directory(run: SftRun, training_set: TrainingSet, validation_entries: Sequence[LabeledImage]) -> None:
    """Write the run config, and delete what a killed run had not finished: checkpoints and lines of the log.

    Raises: BadSettings when the directory belongs to another run.
    """
    run.directory.mkdir(parents=True, exist_ok=True)
    publishing.write_run_config(run.directory, _describe_run(run, training_set, validation_entries))
    resuming.delete_unfinished(run.directory)
    last = resuming.find_last_checkpoint(run.directory)
    open_sft_log(run).truncate_after(resuming.parse_step(last) if last else 0)


def _describe_run(
    run: SftRun, training_set: TrainingSet, validation_entries: Sequence[LabeledImage]
) -> dict[str, object]:
    """Return everything that must be the same when a killed run goes on."""
    rows = len(training_set.prompts)
    decisive = {"images": len(validation_entries), "digest": publishing.digest_entries(validation_entries)}
    return run.resolved.to_json() | {
        "seed": run.seed,
        "steps": run.profile.count_steps(rows),
        "start": {"name": run.start.name, "revision": run.start.revision},
        "data": {"images": len(training_set.entries), "rows": rows, "digest": training_set.digest},
        "validation": decisive if run.is_validated else None,
        "refused": run.refused is not None,
    }


def _load_model(path: Path, dtype: str) -> Qwen2_5_VLForConditionalGeneration:
    """Load the start; without a GPU its patch embedding becomes a matrix product, which is faster there."""
    logging.disable_progress_bar()
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype=getattr(torch, dtype))
    if not torch.cuda.is_available():
        patch_embedding.embed_by_product(model)
    return model


def _publish_last_weights(run: SftRun, surviving: SurvivingUpdate, digest: str) -> SftOutcome:
    """Complete the checkpoint and publish it, and delete what only a run that has not ended needs.

    Raises: TrainingFailed when it cannot be written.
    """
    unfinished = run.directory / publishing.MADE
    with resuming.translate_write_errors(f"the checkpoint in {run.out}", f"{run.directory} stays"):
        publishing.complete_checkpoint(unfinished, run.start, digest)
        publishing.write_outcome(run.directory, {"weights": "last, not validated", "update": asdict(surviving)})
        publishing.publish_checkpoint(unfinished, run.out)
    publishing.delete_unfinished_work(run.directory)
    return SftOutcome(surviving)


def _publish_better_weights(
    run: SftRun,
    training_set: TrainingSet,
    start: Sequence[Prediction],
    trained: Sequence[Prediction],
    surviving: SurvivingUpdate,
) -> SftOutcome:
    """Decide between the start and the trained weights, and publish what was decided."""
    steps = run.profile.count_steps(len(training_set.prompts))
    outcome = ValidatedOutcome.decide("both", run.profile.kept, start, trained, step=steps, surviving=surviving)
    publishing.write_outcome(run.directory, outcome.to_json())
    validated.publish_outcome(outcome, run.directory, run.start, out=run.out, refused=run.refused)
    return SftOutcome(surviving, outcome)


def open_sft_log(run: SftRun) -> RunLog:
    """Return the log of the run's steps."""
    return RunLog(run.directory / LOG_NAME)
