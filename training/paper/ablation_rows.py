"""The ablations of table 1, trained and evaluated one at a time, with their results in `variants.json`."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from training.common import provenance
from training.common.machine import Machine
from training.common.progress import format_duration
from training.engine.run import EngineSetup, OnEngine, run_on_engine
from training.evaluation.samples import Sample
from training.grpo import profiles as grpo_profiles
from training.paper import ablation_results, ablation_run, ablations, outside_rows
from training.paper.ablation_results import AblationResult
from training.paper.ablations import ABLATIONS, UNTRAINED, AblationBudget
from training.settings import TrainSettings
from training.synthetic import scene_files
from training.tiny_model import untrained

VALIDATION_SCENES = 200


@dataclass(frozen=True, slots=True)
class AblationOptions:
    """The rows to train (none named: all that are not recorded), their start and data, and their budget."""

    rows: tuple[str, ...]
    start: Path
    base: Path | None
    data: Path | None
    budget: AblationBudget
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class AblationJob:
    """The training plan of the rows, the untrained checkpoint, the judged samples with the engine, and the results."""

    plan: ablation_run.AblationPlan
    base: Path | None
    samples: Sequence[Sample]
    setup: EngineSetup
    file: Path


def run_ablations(
    options: AblationOptions,
    settings: TrainSettings,
    samples: Sequence[Sample],
    setup: EngineSetup,
    file: Path,
    on_engine: OnEngine = run_on_engine,
) -> None:
    """Train and evaluate the rows, and write `file` after each; recorded rows stay when the process is killed.

    Raises: BadSettings, TrainingFailed, EngineDead; what decoding an image of the data raises.
    """
    job = _build_job(options, settings, samples, setup, file)
    commit = provenance.read_commit(provenance.CHECKOUT)
    rows = options.rows or _list_missing(job)
    ablation_run.refuse_unfit_training(job.plan, [ABLATIONS[name] for name in rows], Machine.read().gpus)
    began = time.monotonic()
    for done, name in enumerate(rows):
        pace_s = (time.monotonic() - began) / max(1, done)
        left = f"about {format_duration(pace_s * (len(rows) - done))} left" if done else "time left unknown yet"
        print(f"row {done + 1} of {len(rows)}, {name}: {left}", file=sys.stderr)
        result = _measure_row(job, name, settings, commit, on_engine)
        ablation_results.write_result(file, name, result)
        print(f"{name}: Acc {result.figures['acc']}")


def _build_job(
    options: AblationOptions, settings: TrainSettings, samples: Sequence[Sample], setup: EngineSetup, file: Path
) -> AblationJob:
    scenes = partial(scene_files.cache_scenes, settings.cache_directory, workers=settings.workers)
    first_scene = options.seed * 100_000 + grpo_profiles.FIRST_SCENE
    plan = ablation_run.AblationPlan(
        start=Checkpoint.read(options.start),
        data=options.data or scenes(first_seed=first_scene, count=grpo_profiles.SCENES),
        validation=options.data or scenes(first_seed=grpo_profiles.VALIDATION_SCENE, count=VALIDATION_SCENES),
        budget=options.budget,
        seed=options.seed,
        threads=settings.threads,
        cache=settings.cache_directory,
    )
    return AblationJob(plan, options.base, samples, setup, file)


def _list_missing(job: AblationJob) -> list[str]:
    """Return the rows that are not recorded, and print which recorded rows do not match the job."""
    results = ablation_results.read_results(job.file)
    trained = {name: result for name, result in results.items() if result.seed is not None}
    others = [name for name, result in trained.items() if not _is_of_job(job, name, result)]
    if others:
        print(
            f"recorded from another start, or with another budget or seed: {', '.join(others)}; "
            "name them after --train to train them anew",
            file=sys.stderr,
        )
    return [name for name in ABLATIONS if name not in results]


def _is_of_job(job: AblationJob, name: str, result: AblationResult) -> bool:
    same_start = name == UNTRAINED or result.start == outside_rows.describe_weights(job.plan.start)
    phases = ablations.describe_phases(ABLATIONS[name], job.plan.budget)
    return same_start and (result.phases, result.seed) == (phases, job.plan.seed)


def _measure_row(
    job: AblationJob, name: str, settings: TrainSettings, commit: str, on_engine: OnEngine
) -> AblationResult:
    ablation = ABLATIONS[name]
    start = _prepare_untrained(job, settings) if name == UNTRAINED else job.plan.start
    checkpoint = start if name == UNTRAINED else ablation_run.train_ablation(job.plan, ablation)
    return AblationResult(
        outside_rows.measure_row(name, checkpoint, job.samples, job.setup, on_engine),
        commit,
        job.plan.seed,
        f"{datetime.now(UTC):%Y-%m-%d}",
        outside_rows.describe_weights(start),
        ablations.describe_phases(ablation, job.plan.budget),
    )


def _prepare_untrained(job: AblationJob, settings: TrainSettings) -> Checkpoint:
    if job.base:
        return Checkpoint.read(job.base)
    if job.plan.budget.profile != "tiny":
        raise BadSettings("the row base needs the untrained checkpoint; name its directory with --base")
    directory = settings.cache_directory / "variants" / f"untrained-{job.plan.seed}"
    if not directory.is_dir():
        untrained.write_untrained_model(
            directory, seed=job.plan.seed, cache=settings.cache_directory, workers=settings.workers
        )
    return Checkpoint.read(directory)
