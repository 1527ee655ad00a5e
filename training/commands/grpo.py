"""`zoomin-train grpo`: one of the paper's two stages of reinforcement learning."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from training.cli import values
from training.cli.numbers import positive, training_seed
from training.grpo.profiles import PROFILES, VALUES, Stage, resolve
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.grpo import plan as grpo_plan
    from training.grpo import run as grpo_run

HELP = "raise a checkpoint's rewards: boxes in stage 1, verdict and words in stage 2"
EXAMPLE = "zoomin-train grpo models/zoomin-tiny --stage 1 --profile tiny --out build/tiny-grpo-1"


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
        "--scenes", type=positive, default=grpo_plan.SCENES, metavar="N", help="without --data (default %(default)s)"
    )
    parser.add_argument("--seed", type=training_seed, default=0, metavar="S", help="0 to 60 (default 0)")
    parser.add_argument("--minutes", type=float, default=float("inf"), metavar="M", help="at most (default: no limit)")
    values.add_profile(parser, VALUES, {f"{name} {stage}": profile for (name, stage), profile in PROFILES.items()})


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.grpo import plan as grpo_plan
    from training.grpo import run as grpo_run
    from training.runs import processes
    from training.synthetic import scene_files

    scenes = partial(scene_files.cached_scenes, settings.cache_directory, workers=settings.workers)
    resolved = resolve(args.profile, args.stage, values.changes(args, VALUES))
    start = Checkpoint.read(args.model)
    with processes.join().main_process_first():  # what it draws, the others read
        data = args.data or scenes(first_seed=args.seed * 100_000 + grpo_plan.FIRST_SCENE, count=args.scenes)
        judged = args.validation_data or args.data
        plan = grpo_plan.Plan(
            start=start,
            stage=args.stage,
            resolved=resolved,
            data=data,
            validation=judged or scenes(first_seed=grpo_plan.VALIDATION_SCENE, count=resolved.values.validation_images),
            out=args.out,
            seed=args.seed,
            minutes=args.minutes,
            threads=settings.threads,
            refused=args.refused,
        )
    if outcome := grpo_run.run(plan):
        _tell(outcome, plan)
    return 0


def _tell(outcome: "grpo_run.Outcome", plan: "grpo_plan.Plan") -> None:
    from training.grpo import run as grpo_run
    from training.runs import run_log

    for step, reasons in outcome.objections.items():
        print(f"step {step} was not kept: {'; '.join(reasons)}")
    print(run_log.speed(grpo_run.log(plan).read()))
    print(f"start:   {outcome.start}")
    if outcome.improved:
        print(f"step {outcome.kept.step}: {outcome.kept}")
        print(f"{plan.out}: measure it with `zoomin-train evaluate {plan.out} --write-card`")
    else:
        print(f"{plan.out} is the start unchanged: nothing that was trained did better on validation")
        if plan.refused and outcome.objections:
            print(f"{plan.refused} holds the last weights; hold both against each other with `zoomin-train report`")
