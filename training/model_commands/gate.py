"""`zoomin-train gate`: whether a challenger may replace the champion."""

import argparse
from pathlib import Path

from training.cli import answers
from training.cli.numbers import parse_positive
from training.cli.values import add_config
from training.settings import TrainSettings

HELP = "say whether a challenger may replace the champion, on the same images"
EXAMPLE = (
    "zoomin-train gate build/night --champion build/champion --golden build/snapshot --base build/magnifake "
    "--new build/snapshot:test --out build/gate"
)
_PROFILES = ("production", "demo")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("challenger", type=Path, metavar="CHALLENGER", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument(
        "--champion", type=Path, required=True, metavar="CHAMPION", help="directory of the one it faces"
    )
    parser.add_argument("--golden", metavar="DIR[:SPLIT]", help="the golden set: a snapshot (default split golden)")
    parser.add_argument(
        "--new", metavar="DIR[:SPLIT]", help="images of the new kinds that caused the training (default split test)"
    )
    parser.add_argument("--base", metavar="DIR[:SPLIT]", help="the set that may not be forgotten (default split test)")
    parser.add_argument(
        "--shadow", type=Path, metavar="REPORT", help="of `zoomin-train shadow`, its directory, if one is demanded"
    )
    parser.add_argument(
        "--count", type=parse_positive, default=5000, metavar="N", help="images of each set at most (default 5000)"
    )
    parser.add_argument(
        "--profile", choices=_PROFILES, help="where demands come from: production (default), or demo for a few images"
    )
    add_config(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="for report.html with cards, and report.json")
    answers.add_fresh(parser)
    parser.add_argument("--json", action="store_true", help="the last line is the table as one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.gate.demands import PROFILES, resolve_demands
    from training.gate.report import format_table, write_gate_report
    from training.gate.run import GateRequest, run_gate
    from training.gate.sets import read_places
    from training.runs.run_file import read_run_file

    profile, demands = resolve_demands(args.profile, file=read_run_file(args.config, PROFILES))
    places = read_places(golden=args.golden, base=args.base, new=args.new)
    champion, challenger = Checkpoint.read(args.champion), Checkpoint.read(args.challenger)
    request = GateRequest(places, args.count, profile, demands, fresh=args.fresh, shadow=args.shadow)
    outcome = run_gate(champion, challenger, request, settings)
    print(format_table(outcome.table))
    if args.out:
        print(write_gate_report(args.out, outcome.table, outcome.draw_cards()))
    if args.json:
        print(outcome.table.model_dump_json())
    return 0 if outcome.table.passed else 1
