"""`zoomin-train tiny`: the tiny model from random weights, and on request to the end."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings
from training.cli import values
from training.cli.numbers import parse_training_seed
from training.common import provenance
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.tiny_model.chain import Chain
    from training.tiny_model.run_config import TinyRun

MODEL = Path("models/zoomin-tiny")
HELP = "train the tiny model from random weights; goes on where a killed run stopped"
EXAMPLE = "zoomin-train tiny --seed 1 --to-the-end --out build/zoomin-tiny"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=MODEL, metavar="DIR", help="(default %(default)s)")
    parser.add_argument("--seed", type=parse_training_seed, metavar="S", help="0 to 60 (default 0)")
    parser.add_argument("--minutes", type=float, metavar="M", help="of fine-tuning, at most (default 30)")
    values.add_config(parser)
    end = parser.add_argument_group("to the end")
    end.add_argument(
        "--to-the-end",
        action="store_true",
        help="then both stages of GRPO (20 minutes each), calibration, and the model card with what each stage added",
    )
    end.add_argument(
        "--start", type=Path, metavar="DIR", help="a fine-tuned tiny model to go on from, in place of training one"
    )
    end.add_argument(
        "--trial", action="store_true", help="few scenes and steps after --start: shows in minutes that all of it runs"
    )
    end.add_argument(
        "--results",
        type=Path,
        default=Path("models/seeds.json"),
        metavar="FILE",
        help="where each seed's figures are kept (default %(default)s)",
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.to_the_end:
        return _run_to_the_end(args, settings)
    if args.start or args.trial:
        raise BadSettings("--start and --trial are for what comes after fine-tuning; say --to-the-end too")
    tiny_run = _resolve(args)
    from training.tiny_model import tiny

    tiny.train_tiny_model(
        tiny_run, out=args.out, cache=settings.cache_directory, threads=settings.threads, workers=settings.workers
    )
    print(f"{args.out}: measure it with `zoomin-train evaluate {args.out} --write-card`")
    return 0


def _resolve(args: argparse.Namespace) -> "TinyRun":
    from training.runs.run_file import read_run_file
    from training.tiny_model.run_config import resolve_tiny_run

    return resolve_tiny_run(values.list_changes(args, ("seed", "minutes")), read_run_file(args.config))


def _run_to_the_end(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.trial and not args.start:
        raise BadSettings("--trial needs a model that has learned something: name one with --start")
    if args.trial and args.out == MODEL:
        raise BadSettings(f"--trial makes a model that is worth nothing: name a directory beside {MODEL} with --out")
    from pipeline.checkpoint import Checkpoint
    from training.__main__ import main
    from training.tiny_model import chain

    tiny_run = _resolve(args)
    start = Checkpoint.read(args.start) if args.start else None
    stages = f"stages-of-{start.revision.removeprefix('sha256:')[:12]}" if start else "stages"
    stage_chain = chain.Chain(
        work=settings.cache_directory / tiny_run.name / (f"{stages}-trial" if args.trial else stages),
        seed=tiny_run.seed,
        minutes=tiny_run.minutes,
        sizes=chain.TRIAL if args.trial else chain.STANDARD,
        start=start,
        config=args.config,
    )
    return stage_chain.run_stages(main) or _publish(stage_chain, args, settings)


def _publish(stage_chain: "Chain", args: argparse.Namespace, settings: TrainSettings) -> int:
    """Measure every stage, and write the checkpoint with its cards and the seed's results."""
    from pipeline.checkpoint import Checkpoint
    from training.engine.run import SharedEngine, build_setup
    from training.evaluation import jobs, samples, summary
    from training.evaluation.samples import HELD_OUT
    from training.reports import model_card, seed_gains
    from training.runs import publishing
    from training.tiny_model import chain, seed_result, tiny_card

    with SharedEngine() as on_engine:
        predictions, engine = seed_result.predict_stages(
            stage_chain,
            lambda: samples.draw_held_out(stage_chain.sizes.measured_on, settings.workers),
            lambda checkpoint, planned: jobs.predict_jobs(checkpoint, planned, build_setup(settings), on_engine),
        )
    commit = provenance.read_commit(provenance.CHECKOUT)
    result = seed_result.build_seed_result(stage_chain, predictions, commit=commit)
    if not args.trial:
        result = seed_gains.store_seed(args.results, result)
    publishing.publish_checkpoint(stage_chain.locate_stage(chain.CALIBRATED), args.out)
    passes = predictions[chain.CALIBRATED]
    metrics = summary.summarize_passes(passes)
    evaluation = model_card.Evaluation(metrics, len(passes["own"]), HELD_OUT, engine, args.out.name)
    tiny_card.write_tiny_card(Checkpoint.read(args.out), evaluation, result)
    print(summary.format_metrics(metrics))
    print(f"{args.out / 'README.md'} says what each stage added")
    return 0
