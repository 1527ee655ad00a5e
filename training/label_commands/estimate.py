"""`zoomin-train estimate`: what labeled cases and verdicts say about a detector on live traffic."""

import argparse
import json
from pathlib import Path

from pipeline.times import parse_time
from training.settings import TrainSettings

HELP = "estimate accuracy on live traffic from labeled cases, and drift from verdicts alone"
EXAMPLE = "zoomin-train estimate s3://zoomin-labels --by week --out build/estimate"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bucket", nargs="?", metavar="s3://BUCKET", help="the labeling bucket; without it, drift alone")
    parser.add_argument(
        "--since",
        type=parse_time,
        metavar="T",
        help="only verdicts decided since 2h, 7d ago, or an ISO time",
    )
    parser.add_argument("--by", choices=("source", "week", "revision"), help="estimates of each of these groups too")
    parser.add_argument(
        "--verdicts",
        metavar="FILE",
        help="lines of `zoomin tail --json`, also gzipped, or - for stdin; their drift is measured",
    )
    reference = parser.add_mutually_exclusive_group()
    reference.add_argument("--reference", metavar="FILE", help="earlier verdicts to compare with, of the same form")
    reference.add_argument(
        "--reference-until", type=parse_time, metavar="T", help="the verdicts before this time are the reference"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/estimate"),
        metavar="DIR",
        help="for report.html and report.json (default %(default)s)",
    )
    parser.add_argument("--textfile", type=Path, metavar="FILE", help="metrics for node_exporter's textfile collector")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from rich.console import Console

    from pipeline.errors import BadSettings
    from training.estimates.page import write_page
    from training.estimates.report import EstimateRequest, build_report
    from training.estimates.tables import print_report
    from training.estimates.textfile import write_textfile

    if not args.bucket and not args.verdicts:
        raise BadSettings("name a labeling bucket (s3://bucket), or verdicts with --verdicts FILE, or both")
    request = EstimateRequest(args.bucket, args.verdicts, args.reference, args.reference_until, args.since, args.by)
    report = build_report(request, settings)
    page = write_page(args.out, report)
    if args.textfile:
        write_textfile(args.textfile, report)
    print_report(report, Console())
    print(page)
    if args.json:
        print(json.dumps(report))
    return 0
