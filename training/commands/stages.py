"""`zoomin-train stages`: what each stage of GRPO adds to a start with room, against more fine-tuning."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings
from training.cli.numbers import parse_positive, parse_training_seed
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.stages.plan import StagesPlan

HELP = "show what each stage of GRPO adds: arms of equal budget from one start, and claims tested by sign"
EXAMPLE = "zoomin-train stages --start models/zoomin-tiny --start-noise 0.4 --arms stage_1 --results build/stages.json"


def configure(parser: argparse.ArgumentParser) -> None:
    from training.stages.arms import ARMS

    parser.add_argument(
        "--out", type=Path, default=Path("build/stages"), metavar="DIR", help="work and page (default %(default)s)"
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("models/stages.json"),
        metavar="FILE",
        help="where the result goes (default %(default)s)",
    )
    parser.add_argument(
        "--saturated",
        type=Path,
        default=Path("models/seeds.json"),
        metavar="FILE",
        help="results of the shipped model's stages, for the page (default %(default)s)",
    )
    parser.add_argument(
        "--arms", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM", help=f"of {', '.join(ARMS)} (all)"
    )
    parser.add_argument(
        "--seeds", nargs="+", type=parse_training_seed, default=[0, 1, 2], metavar="S", help="(default 0 1 2)"
    )
    _add_start(parser.add_argument_group("the start"))
    _add_sizes(parser.add_argument_group("sizes"))
    parser.add_argument("--dry-run", action="store_true", help="print the plan with an estimate of its time")


def _add_start(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--start",
        type=Path,
        metavar="DIR",
        help="a tiny model to start from (default: one is fine-tuned for each seed until its boxes have room)",
    )
    group.add_argument(
        "--start-noise",
        type=float,
        default=0.0,
        metavar="D",
        help="damage --start: noise on its language layers, in deviations of each matrix; costs no training",
    )
    group.add_argument(
        "--start-minutes", type=float, default=30.0, metavar="M", help="to fine-tune a start (default %(default)g)"
    )


def _add_sizes(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--steps", type=parse_positive, default=60, metavar="N", help="of an arm (default %(default)s)")
    group.add_argument("--prompts", type=parse_positive, default=16, metavar="N", help="a step (default %(default)s)")
    group.add_argument(
        "--generations", type=parse_positive, default=8, metavar="N", help="answers a prompt (default %(default)s)"
    )
    group.add_argument(
        "--minutes", type=float, default=float("inf"), metavar="M", help="of an arm, at most (default: no limit)"
    )
    group.add_argument(
        "--train-scenes", type=parse_positive, default=1500, metavar="N", help="that arms learn from (default 1500)"
    )
    group.add_argument(
        "--scenes", type=parse_positive, default=2000, metavar="N", help="held out, to judge on (default 2000)"
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    plan = _build_plan(args)
    if args.dry_run:
        print(plan.describe())
        return 0
    from training.reports import seed_gains
    from training.stages import experiment, judging, results_file, stages_report

    seeds = seed_gains.read_seeds(args.saturated)
    finished = {(arm.seed, arm.name) for arm in judging.read_judged(args.out)}
    results_file.refuse_fuller(args.results, len(finished | {plan.list_jobs()[0]}))  # before anything starts

    def publish(result: results_file.StagesResult, logs: experiment.Logs) -> None:
        results_file.write_result(args.results, result)
        page = stages_report.write_stages_report(args.out, result, logs, seeds)
        print(f"{stages_report.format_claims(result)}\n{page}", flush=True)

    experiment.run_experiment(plan, settings, publish)
    return 0


def _build_plan(args: argparse.Namespace) -> "StagesPlan":
    """Check the options together. Raises: BadSettings."""
    if args.start_noise < 0 or args.start_minutes <= 0 or args.minutes <= 0:
        raise BadSettings("--start-noise must be 0 or more, --start-minutes and --minutes more than 0")
    if args.start_noise and not args.start:
        raise BadSettings("--start-noise damages a given start; name it with --start")
    if args.steps % 2:
        raise BadSettings(f"--steps is {args.steps}; it must be even, because arms with both stages give each half")
    if args.prompts * args.generations % 2 or args.generations < 2:
        raise BadSettings("--generations must be 2 or more, and --prompts times --generations even")
    from pipeline.checkpoint import Checkpoint
    from training.paper.ablations import AblationBudget
    from training.stages.arms import PROFILE
    from training.stages.plan import StagesPlan

    return StagesPlan(
        out=args.out,
        start=Checkpoint.read(args.start) if args.start else None,
        noise=args.start_noise,
        start_minutes=args.start_minutes,
        arms=tuple(dict.fromkeys(args.arms)),
        seeds=tuple(dict.fromkeys(args.seeds)),
        budget=AblationBudget(PROFILE, args.steps, args.prompts, args.generations),
        minutes=args.minutes,
        train_scenes=args.train_scenes,
        scenes=args.scenes,
    )
