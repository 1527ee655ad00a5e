"""`zoomin-train shadow`: what a challenger says of the traffic beside the champion."""

import argparse
import json
from pathlib import Path

from pipeline.times import parse_time
from training.cli.numbers import parse_natural
from training.settings import TrainSettings

HELP = "compare the verdicts of a shadow pool with those of the champion on the same events"
EXAMPLE = "zoomin-train shadow --champion-topic zoomin.verdicts --challenger-topic zoomin.shadow.verdicts --since 1d"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--champion-topic", required=True, metavar="TOPIC", help="verdicts of the pool that serves")
    parser.add_argument("--challenger-topic", required=True, metavar="TOPIC", help="verdicts of the shadow pool")
    parser.add_argument(
        "--since",
        type=parse_time,
        metavar="T",
        help="only what the challenger judged since 24h, 7d ago, or an ISO time (default: all that is stored)",
    )
    parser.add_argument("--labels", metavar="s3://BUCKET", help="the labeling bucket: accuracy of both, and McNemar")
    parser.add_argument(
        "--cards",
        type=parse_natural,
        default=6,
        metavar="N",
        help="flips of each direction to show (default 6)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/shadow"),
        metavar="DIR",
        help="for report.html and report.json (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    import tempfile

    from rich.console import Console

    from training.shadow.page import write_page
    from training.shadow.report import ShadowRequest, build_report
    from training.shadow.tables import print_report

    request = ShadowRequest(args.champion_topic, args.challenger_topic, args.since, args.labels, args.cards)
    with tempfile.TemporaryDirectory() as cards:
        report, shown = build_report(request, settings, cards=Path(cards))
    page = write_page(args.out, report, shown)
    print_report(report, Console())
    print(page)
    if args.json:
        print(json.dumps(report))
    return 0
