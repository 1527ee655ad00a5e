"""`zoomin-train paper-tables`: the paper's tables and figures for a checkpoint, as a page and as JSON."""

import argparse
from pathlib import Path

from training.cli import answers
from training.cli.numbers import parse_positive
from training.paper.ablation_options import AblationOptions, add_ablation_options, read_records
from training.paper.reported import BENCHMARKS
from training.settings import TrainSettings

HELP = "make the paper's tables and figures for a checkpoint"
EXAMPLE = "zoomin-train paper-tables --model models/zoomin-tiny --out build/paper --count 200"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for report.html and report.json")
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
    answers.add_fresh(parser)
    add_ablation_options(parser)


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.common.machine import Machine
    from training.dataset import broken
    from training.engine.run import prepare_engine
    from training.paper import ablation_records, ablation_results, measurements, paper_report, report_sets

    checkpoint = Checkpoint.read(args.model)
    setup = prepare_engine(checkpoint, settings, args.out / "answers", fresh=args.fresh)
    recorded = ablation_records.read_recorded_rows(read_records(args), checkpoint, setup.options)
    file = args.model.resolve().parent / ablation_results.NAME
    ablation_results.read_results(file)  # a file that cannot be read is refused before anything starts
    options = report_sets.SetOptions(
        data=args.data,
        count=args.count,
        photographs=args.photographs,
        benchmarks={name: directory for name in BENCHMARKS if (directory := getattr(args, name))},
        benchmark_count=args.benchmark_count,
        training_set=args.trained_on,
    )
    sets = report_sets.collect_sets(options, settings.workers)
    ablation_records.record_rows(recorded, sets.samples, setup, file)
    if args.train is not None:
        from training.paper import ablation_rows  # it imports the trainers, which take seconds to load

        ablation_rows.run_ablations(AblationOptions.build(args), settings, sets.samples, setup, file)
    results = ablation_results.read_results(file)
    measured = measurements.measure_on_engine(checkpoint, sets, setup)
    machine = Machine.read().describe(used=setup.options.tensor_parallel_size, threads=settings.threads)
    for name, faults in sets.left_out.items():
        if faults:
            print(broken.describe(faults, name))
    print(paper_report.write_paper_report(args.out, checkpoint, sets, measured, results, machine=machine))
    return 0
