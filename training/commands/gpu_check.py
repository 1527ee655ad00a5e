"""`zoomin-train gpu-check`: serving and training at a published model's shape, before real weights are bought."""

import argparse
import shutil
import sys
import time
from pathlib import Path

from training.cli.numbers import parse_positive
from training.settings import TrainSettings

HELP = "try serving and training on this machine's GPUs, with random weights of a published shape"
EXAMPLE = "zoomin-train gpu-check --size 7b; without a GPU: zoomin-train gpu-check --size 3b --cpu"
DEFAULT_MINUTES = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size",
        default="7b",
        metavar="SHAPE",
        help="3b, 7b, 32b, or the directory of a checkpoint whose shape is taken (default %(default)s)",
    )
    parser.add_argument("--cpu", action="store_true", help="the same checks in small, where there is no GPU")
    parser.add_argument("--layers", type=parse_positive, metavar="N", help="cut the model (default: all; --cpu: 2)")
    parser.add_argument(
        "--tensor-parallel", type=parse_positive, metavar="N", help="GPUs of the engine (default: as many as it needs)"
    )
    parser.add_argument(
        "--minutes", type=float, default=DEFAULT_MINUTES, metavar="M", help="minutes at most (default %(default)g)"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/gpu-check"),
        metavar="DIR",
        help="for weights (7b: 17 GB) and logs; the weights are deleted at the end (default %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/gpu.json"), metavar="FILE", help="report (default %(default)s)"
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    del settings
    from rich.console import Console

    from training.common.machine import Machine
    from training.gpu_check import report
    from training.gpu_check import run as gpu_run
    from training.gpu_check.plan import build_plan
    from training.gpu_check.rows import CheckRow

    here = Machine.read()
    plan = build_plan(
        args.size,
        args.work.resolve(),
        on_cpu=args.cpu,
        layers=args.layers,
        tensor_parallel=args.tensor_parallel or gpu_run.choose_tensor_parallel(args.size, here),
        minutes=args.minutes,
    )
    rows: list[CheckRow] = []

    def show(row: CheckRow) -> None:
        rows.append(row)
        print(f"{row.name}: {row.outcome}{'; ' if row.detail else ''}{row.detail}", file=sys.stderr)

    began = time.monotonic()
    try:
        gpu_run.run_check(plan, here, show)
    finally:
        for directory in (plan.checkpoint, plan.work / "sft", plan.work / "grpo"):
            shutil.rmtree(directory, ignore_errors=True)
        if rows:
            report.write_report(args.out, plan, here, rows, seconds=time.monotonic() - began)
    report.print_table(rows, Console())
    failed = sum(row.outcome == "failed" for row in rows)
    skipped = sum(row.outcome == "skipped" for row in rows)
    print(f"{len(rows) - failed - skipped} ok, {failed} failed, {skipped} skipped; {args.out} has all of it")
    return 1 if failed else 0
