"""`zoomin-train paper-tables`: the paper's tables and figures for a checkpoint, as a page and as JSON."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli import answers
from training.cli.numbers import parse_positive
from training.paper.ablation_options import AblationOptions, add_ablation_options, read_records
from training.paper.reported import BENCHMARKS
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.paper.report_sets import SetOptions

HELP = "make the paper's tables and figures for a checkpoint"
EXAMPLE = "zoomin-train paper-tables --model models/zoomin-tiny --out build/paper --count 200"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for report.html and report.json")
    add_set_options(parser)
    parser.add_argument(
        "--scores",
        type=parse_scores,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="another detector's answers as rows of all tables: CSV or Parquet with file or sha256, p_generated, and "
        "optional boxes and seconds, on images of `zoomin-train baseline images`; may be repeated",
    )
    answers.add_fresh(parser)
    add_ablation_options(parser)


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the image sets of the tables."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: held-out scenes)"
    )
    parser.add_argument(
        "--count", type=parse_positive, default=400, metavar="N", help="images of that set (default 400)"
    )
    parser.add_argument(
        "--photographs",
        type=Path,
        metavar="DIR",
        help="real photographs to plant the scenes' artifacts in, for table 2: as many frames as images of that set",
    )
    for name, title in BENCHMARKS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"{title} as published, for table 2")
    parser.add_argument(
        "--benchmark-count",
        type=parse_positive,
        default=10_000,
        metavar="N",
        help="images of each of those at most (default 10000)",
    )
    parser.add_argument(
        "--trained-on",
        type=Path,
        metavar="SET",
        help="the training set: what it holds of those is left out, and others are drawn in its place",
    )


def build_set_options(args: argparse.Namespace) -> "SetOptions":
    from training.paper.report_sets import SetOptions

    return SetOptions(
        data=args.data,
        count=args.count,
        photographs=args.photographs,
        benchmarks={name: directory for name in BENCHMARKS if (directory := getattr(args, name))},
        benchmark_count=args.benchmark_count,
        training_set=args.trained_on,
    )


def parse_scores(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=")
    if not (separator and name.strip() and file):
        raise argparse.ArgumentTypeError(f"write NAME=FILE, not {text!r}")
    return name.strip(), Path(file)


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.common.machine import Machine
    from training.dataset import broken
    from training.detectors import predictions, rows
    from training.engine.run import prepare_engine
    from training.paper import ablation_records, ablation_results, measurements, paper_report, report_sets, table_1

    checkpoint = Checkpoint.read(args.model)
    setup = prepare_engine(checkpoint, settings, args.out / "answers", fresh=args.fresh)
    recorded = ablation_records.read_recorded_rows(read_records(args), checkpoint, setup.options)
    file = args.model.resolve().parent / ablation_results.NAME
    ablation_results.read_results(file)  # a file that cannot be read is refused before anything starts
    detectors = predictions.read_detectors(args.scores, table_1.TITLES)
    sets = report_sets.collect_sets(build_set_options(args), settings.workers)
    for detector in detectors:
        predictions.refuse_unmatched(detector, rows.ask_own(sets), sets.title)
    ablation_records.record_rows(recorded, sets.samples, setup, file)
    if args.train is not None:
        from training.paper import ablation_rows  # it imports the trainers, which take seconds to load

        ablation_rows.run_ablations(AblationOptions.build(args), settings, sets.samples, setup, file)
    results = ablation_results.read_results(file)
    measured = measurements.measure_on_engine(checkpoint, sets, setup)
    machine = Machine.read().describe(used=setup.options.tensor_parallel_size, threads=settings.threads)
    others = rows.build_detector_rows(detectors, sets, measured)
    for name, faults in sets.left_out.items():
        if faults:
            print(broken.describe(faults, name))
    print(
        paper_report.write_paper_report(
            args.out, checkpoint, sets, measured, results, machine=machine, detectors=others
        )
    )
    return 0
