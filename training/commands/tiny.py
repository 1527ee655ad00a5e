"""`zoomin-train tiny`: the tiny model from nothing, and on request to the end."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings
from training.cli.numbers import training_seed
from training.common import provenance
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.tiny_model.chain import Chain

MODEL = Path("models/zoomin-tiny")
HELP = "train the tiny model from nothing; goes on where a killed run stopped"
EXAMPLE = "zoomin-train tiny --seed 1 --to-the-end --out build/zoomin-tiny"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=MODEL, metavar="DIR", help="(default %(default)s)")
    parser.add_argument("--seed", type=training_seed, default=0, metavar="S", help="0 to 60 (default 0)")
    parser.add_argument("--minutes", type=float, default=30.0, metavar="M", help="of fine-tuning, at most (default 30)")
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
        "--record",
        type=Path,
        default=Path("models/seeds.json"),
        metavar="FILE",
        help="where each seed's figures are kept (default %(default)s)",
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.to_the_end:
        return _to_the_end(args, settings)
    if args.start or args.trial:
        raise BadSettings("--start and --trial are for what comes after fine-tuning; say --to-the-end too")
    from training.tiny_model import tiny

    plan = tiny.Plan(seed=args.seed, minutes=args.minutes, threads=settings.threads, workers=settings.workers)
    tiny.make(plan, out=args.out, cache=settings.cache_directory)
    print(f"{args.out}: measure it with `zoomin-train evaluate {args.out} --write-card`")
    return 0


def _to_the_end(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.trial and not args.start:
        raise BadSettings("--trial needs a model that has learned something: name one with --start")
    if args.trial and args.out == MODEL:
        raise BadSettings(f"--trial makes a model that is worth nothing: name a directory beside {MODEL} with --out")
    from pipeline.checkpoint import Checkpoint
    from training.__main__ import main
    from training.tiny_model import chain

    start = Checkpoint.read(args.start) if args.start else None
    stages = f"stages-of-{start.revision.removeprefix('sha256:')[:12]}" if start else "stages"
    way = chain.Chain(
        work=settings.cache_directory / f"tiny-{args.seed}" / (f"{stages}-trial" if args.trial else stages),
        seed=args.seed,
        minutes=args.minutes,
        sizes=chain.TRIAL if args.trial else chain.STANDARD,
        start=start,
    )
    return way.run(main) or _tell(way, args, settings)


def _tell(way: "Chain", args: argparse.Namespace, settings: TrainSettings) -> int:
    """Measures every stage, and writes the checkpoint with its card and the record."""
    from pipeline.checkpoint import Checkpoint
    from training.commands.evaluate import judge
    from training.evaluation import samples, summary
    from training.reports import model_card, stages
    from training.runs import publishing
    from training.tiny_model import chain, record

    said, engine = record.judged(
        way,
        lambda: samples.held_out(way.sizes.judged_on, settings.workers),
        lambda checkpoint, jobs: judge(checkpoint, jobs, settings.concurrency),
    )
    made = record.of(way, said, commit=provenance.commit_of(provenance.CHECKOUT))
    if not args.trial:
        made = stages.keep(args.record, made)
    publishing.publish(way.directory(chain.CALIBRATED), args.out)
    passes = said[chain.CALIBRATED]
    shown = summary.of_passes(passes)
    model_card.write(Checkpoint.read(args.out), model_card.Evaluation(shown, len(passes["own"]), engine), made)
    print(summary.table(shown))
    print(f"{args.out / 'README.md'} says what each stage added")
    return 0
