"""`zoomin-train grpo`: one of the paper's two stages of reinforcement learning."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from training.cli import dry_runs, values
from training.cli.numbers import parse_positive, parse_training_seed
from training.grpo.profiles import (
    FIRST_SCENE,
    PROFILES,
    SCENES,
    VALIDATION_SCENE,
    VALUES,
    GrpoProfile,
    Stage,
    resolve_grpo_profile,
)
from training.runs.profile_choice import ProfileChoice
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.common.machine import Gpus
    from training.dry_run.training_verb import TrainingVerb
    from training.grpo.run import GrpoOutcome
    from training.grpo.run_config import GrpoRun
    from training.runs.profiles import ResolvedProfile

HELP = "raise a checkpoint's rewards: boxes in stage 1, verdict and words in stage 2"
EXAMPLE = "zoomin-train grpo build/sft --stage 1 --data DIR --config infra/training/grpo-1.yaml --out build/grpo-1"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="checkpoint to start from; for stage 2 that of stage 1"
    )
    parser.add_argument("--stage", type=int, choices=get_args(Stage), required=True, help="1: Query 1; 2: Query 2")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory for the new checkpoint")
    parser.add_argument(
        "--refused", type=Path, metavar="DIR", help="where the last weights go, to be measured, when the start is kept"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="set to learn from (default: scenes)")
    parser.add_argument(
        "--validation-data", type=Path, metavar="DIR", help="set that decides (default: --data's own split, or scenes)"
    )
    parser.add_argument(
        "--scenes",
        type=parse_positive,
        default=SCENES,
        metavar="N",
        help="scenes to learn from without --data (default %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=parse_training_seed,
        default=0,
        metavar="S",
        help="seed of scenes and training, 0 to 60 (default 0)",
    )
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), metavar="M", help="minutes at most (default: no limit)"
    )
    dry_runs.add_planned_gpus(parser)
    values.add_profile(parser, VALUES, {f"{name} {stage}": profile for (name, stage), profile in PROFILES.items()})


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    choice = values.read_choice(args, VALUES)
    if args.dry_run:
        return dry_runs.show_training(args, lambda gpus: _describe(args, choice, gpus))
    dry_runs.refuse_unfit(lambda gpus: _describe(args, choice, gpus))
    import torch

    from pipeline.vllm.runtime import is_cpu_build
    from training.common.machine import Machine, refuse_cpu_build
    from training.grpo import run as grpo_run

    resolved = resolve_grpo_profile(
        choice.name, args.stage, choice.changes, choice.file, on_gpu=torch.cuda.is_available()
    )
    if resolved.values.generation == "vllm_colocate":
        refuse_cpu_build(Machine.read(), cpu_build=is_cpu_build())
    grpo = _build_run(args, settings, resolved)
    if outcome := grpo_run.run_grpo(grpo):
        _print_outcome(outcome, grpo)
    return 0


def _describe(args: argparse.Namespace, choice: ProfileChoice, gpus: "Gpus") -> "TrainingVerb":
    from training.dry_run import training_verb
    from training.dry_run.shape import ModelShape

    shape, words = ModelShape.read(str(args.model)), dry_runs.list_words(args)
    reads = [str(args.model), str(args.data or "scenes that it draws")]
    return training_verb.describe_grpo(shape, words, choice, args.stage, gpus, reads=reads, out=str(args.out))


def _build_run(
    args: argparse.Namespace, settings: TrainSettings, resolved: "ResolvedProfile[GrpoProfile]"
) -> "GrpoRun":
    from pipeline.checkpoint import Checkpoint
    from training.grpo.run_config import GrpoRun
    from training.runs import processes
    from training.synthetic import scene_files

    start = Checkpoint.read(args.model)
    scenes = partial(scene_files.cache_scenes, settings.cache_directory, workers=settings.workers)
    with processes.join_processes().main_process_first():  # the others read the scenes that it draws
        data = args.data or scenes(first_seed=args.seed * 100_000 + FIRST_SCENE, count=args.scenes)
        validation = args.validation_data or args.data
        images = resolved.values.validation_images
        return GrpoRun(
            start=start,
            stage=args.stage,
            resolved=resolved,
            data=data,
            validation=validation or scenes(first_seed=VALIDATION_SCENE, count=images),
            out=args.out,
            seed=args.seed,
            minutes=args.minutes,
            threads=settings.threads,
            refused=args.refused,
        )


def _print_outcome(outcome: "GrpoOutcome", grpo: "GrpoRun") -> None:
    from training.grpo import run as grpo_run
    from training.runs import run_log

    print(run_log.summarize_speed(grpo_run.open_grpo_log(grpo).read()))
    validated = outcome.validated
    for title, result in (
        ("start", validated.start),
        ("trained", outcome.trained),
        ("published", validated.published),
    ):
        print(f"{title + ':':10} {result}")
    print(validated.describe(grpo.out, grpo.refused))
