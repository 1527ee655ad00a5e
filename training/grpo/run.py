"""A GRPO stage from its start to the checkpoint that is served, top to bottom.

`OUT` is a checkpoint to serve; `OUT/grpo` is the run directory (configuration.json, log.jsonl, log.png,
validations.jsonl, predictions, outcome.json) and, until the run has ended, holds what a killed run goes on from. What
decides is the checkpoint as it would be published, read from its directory. On several devices every process runs this
and answers its share of the validation prompts; the first one decides and writes.
Invariant: `OUT` holds a config.json only when the run has ended.
"""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from pipeline.errors import BadSettings
from pipeline.verdict import BoundingBox
from training.common.whole_file import write_whole
from training.dataset import splits
from training.dataset.labeled_image import LabeledImage, Split
from training.evaluation.metrics import Prediction
from training.grpo import trainer as grpo_trainer
from training.grpo.profiles import GrpoProfile, Stage
from training.grpo.run_config import GrpoRun
from training.grpo.sampler import SamplerPlan, plan_sampler
from training.grpo.validator import Validator
from training.runs import processes, publishing, resumable, resuming, run_log, weights
from training.runs import prompts as run_prompts
from training.runs.prompts import Prompt
from training.runs.run_log import RunLog
from training.runs.weights import SurvivingUpdate
from training.synthetic import scene_files
from training.validation import outcome as validated
from training.validation import served, sets
from training.validation.decision import Aim
from training.validation.greedy import GreedyGenerator
from training.validation.outcome import ValidatedOutcome
from training.validation.predictions import scan_images
from training.validation.result import ValidationResult

AIMS: dict[Stage, Aim] = {1: "boxes", 2: "words"}


@dataclass(frozen=True, slots=True)
class GrpoOutcome:
    """The outcome of a stage, and the metrics of the trained weights before they were cast and published."""

    trained: ValidationResult
    validated: ValidatedOutcome


def run_grpo(run: GrpoRun) -> GrpoOutcome | None:
    """Train one stage and write the checkpoint; return None in a process that only helps the first one.

    Raises: BadSettings when the data or the directory cannot be used; TrainingFailed; what decoding an image raises.
    """
    validated.refuse_finished_directories(run.directory, run.out, run.refused)
    resumable.refuse_missing_reporter(run.profile.report_to)
    processes.refuse_unshared_gpus()
    plan = run.validation_plan
    entries = read_training_entries(run)
    validation_entries = sets.read_validation_entries(run.data, entries, run.validation, run.profile.validation_images)
    state = processes.join_processes()
    sampler = plan_sampler(run.profile, run.start, devices=state.num_processes, gpu_bytes=processes.measure_gpu_bytes())
    served.choose_engine(plan)
    if state.is_main_process:
        _open_run_directory(run, entries, validation_entries)
        print(sampler.description, file=sys.stderr)
    state.wait_for_everyone()
    processes.set_threads(run.threads)
    resumable.silence_transformers()
    start = served.predict_start(plan, run.start, validation_entries)
    validator = Validator(run, validation_entries, start)
    surviving = _train_stage(run, sampler, entries, validator)
    processes.free_memory()
    published = served.predict_trained(plan, run.start, publishing.digest_entries(entries), validation_entries)
    outcome = _finish_run(run, validator.results[-1], start, published, surviving) if surviving else None
    state.wait_for_everyone()
    return outcome


def read_training_entries(run: GrpoRun) -> list[LabeledImage]:
    """Read the images that are trained on; stage 1 takes those whose boxes somebody was asked to draw.

    Raises: BadSettings for held-out scenes, and for fewer images than a step takes.
    """
    entries = splits.read_split(run.data, Split.TRAIN)
    scene_files.refuse_held_out(run.data, entries)
    usable = [entry for entry in entries if run.stage == 2 or entry.boxes is not None]
    undrawn = len(entries) - len(usable)
    note = f" ({undrawn} more have a verdict without boxes, which stage 2 takes)" if undrawn else ""
    if len(usable) < run.profile.prompts:
        raise BadSettings(
            f"{run.data} has {len(usable)} images to train on{note}; a step takes {run.profile.prompts}: lower "
            "--prompts"
        )
    if undrawn and processes.join_processes().is_main_process:
        print(f"stage 1 trains on {len(usable)} images{note}", file=sys.stderr)
    return usable


def _open_run_directory(
    run: GrpoRun, entries: Sequence[LabeledImage], validation_entries: Sequence[LabeledImage]
) -> None:
    """Write the run config, and delete the checkpoints that a killed run had not finished.

    Raises: BadSettings when the directory belongs to another run.
    """
    run.directory.mkdir(parents=True, exist_ok=True)
    description = _describe_run(run, entries, validation_entries)
    publishing.write_run_config(run.directory, description, may_change=GrpoProfile.MAY_CHANGE)
    resuming.delete_unfinished(run.directory)


def _describe_run(
    run: GrpoRun, entries: Sequence[LabeledImage], validation_entries: Sequence[LabeledImage]
) -> dict[str, object]:
    """Return everything that must be the same when a killed run goes on."""
    return run.resolved.to_json() | {
        "stage": run.stage,
        "seed": run.seed,
        "minutes": run.minutes if math.isfinite(run.minutes) else None,
        "start": {"name": run.start.name, "revision": run.start.revision},
        "data": {"images": len(entries), "digest": publishing.digest_entries(entries)},
        "validation": {"images": len(validation_entries), "digest": publishing.digest_entries(validation_entries)},
        "refused": run.refused is not None,
    }


def _train_stage(
    run: GrpoRun, sampler: SamplerPlan, entries: Sequence[LabeledImage], validator: Validator
) -> SurvivingUpdate | None:
    """Train the stage and write its last weights as they would be published; nothing of the trainer stays in memory."""
    model, processor = served.load_model(run.start.path, run.profile.dtype)
    config = grpo_trainer.build_grpo_config(run.profile, sampler.arguments, run.directory, run.seed)
    generator = GreedyGenerator(model, processor.tokenizer, run.start.card, run.profile.validation_tokens)
    trainer = grpo_trainer.train_grpo(
        model,
        processor,
        _build_prompts(run, generator, entries),
        run.start.card,
        profile=run.profile,
        config=config,
        title=f"GRPO stage {run.stage}",
        seconds=run.minutes * 60,
        threads=run.threads,
        validate=lambda step, trained: validator.validate(step, replace(generator, model=trained)),
    )
    with resuming.translate_write_errors(f"the weights in {run.directory}", trainer.describe_last_checkpoint()):
        dtype = weights.choose_publish_dtype(run.profile, run.start)
        return weights.write_trained_weights(trainer, run.start, run.directory, dtype)


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
        max_crops=run.start.card.max_crops,
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
        _, boxes = scan_images(generator, run.data, entries, "the model's own boxes")
        if state.is_main_process:
            with write_whole(path) as unfinished:
                unfinished.write_text(json.dumps([[box.corners for box in of_image] for of_image in boxes]))
        state.wait_for_everyone()
    return [tuple(BoundingBox(*corners) for corners in of_image) for of_image in json.loads(path.read_text())]


def _finish_run(
    run: GrpoRun,
    trained: ValidationResult,
    start: Sequence[Prediction],
    published: Sequence[Prediction],
    surviving: SurvivingUpdate,
) -> GrpoOutcome:
    """Decide on the published weights, plot the log, and publish what was decided.

    Raises: TrainingFailed when a checkpoint cannot be written.
    """
    outcome = ValidatedOutcome.decide(
        AIMS[run.stage], run.profile.kept, start, published, step=trained.step, surviving=surviving
    )
    if steps := open_grpo_log(run).read():
        run_log.plot_log(steps, f"GRPO stage {run.stage} of {run.start.name}").save(run.directory / "log.png")
    publishing.write_outcome(run.directory, {**outcome.to_json(), "trained": asdict(trained)})
    validated.publish_outcome(outcome, run.directory, run.start, out=run.out, refused=run.refused)
    return GrpoOutcome(trained, outcome)


def open_grpo_log(run: GrpoRun) -> RunLog:
    """Return the log of the run's steps."""
    return RunLog(run.directory / grpo_trainer.LOG_NAME)
