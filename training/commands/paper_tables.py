"""`zoomin-train paper-tables`: the paper's tables and figures for a checkpoint, as a page and as JSON."""

import argparse
from pathlib import Path

from training.cli import answers
from training.cli.ablation_options import add_ablation_options, build_ablation_options, read_outside
from training.cli.image_sets import add_set_options, build_set_options
from training.settings import TrainSettings

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
    from training.paper import ablation_results, measurements, outside_rows, paper_report, report_sets, table_1

    checkpoint = Checkpoint.read(args.model)
    setup = prepare_engine(checkpoint, settings, args.out / "answers", fresh=args.fresh)
    recorded = outside_rows.read_outside_rows(read_outside(args), checkpoint, setup.options)
    file = args.model.resolve().parent / ablation_results.NAME
    ablation_results.read_results(file)  # a file that cannot be read is refused before anything starts
    detectors = predictions.read_detectors(args.scores, table_1.TITLES)
    sets = report_sets.collect_sets(build_set_options(args), settings.workers)
    for detector in detectors:
        predictions.refuse_unmatched(detector, rows.ask_own(sets), sets.title)
    outside_rows.judge_outside_rows(recorded, sets.samples, setup, file)
    if args.train is not None:
        from training.paper import ablation_rows  # it imports the trainers, which take seconds to load

        ablation_rows.run_ablations(build_ablation_options(args), settings, sets.samples, setup, file)
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
