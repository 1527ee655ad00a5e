"""`zoomin-train labels`: cases to annotators, their labels back, and where labeling stands."""

import argparse
import json
from datetime import UTC, datetime

from training.settings import TrainSettings

HELP = "send cases of the labeling bucket to annotators, fetch their labels, and show where labeling stands"
EXAMPLE = "zoomin-train labels status s3://labels"
MEANINGS = {
    "status": "show the queue by reason and age, the annotators, and how well they agree",
}
EXAMPLES = {
    "status": EXAMPLE,
}


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="labels", required=True, metavar="VERB")
    status = _add_verb(verbs, "status")
    status.set_defaults(run_verb=_show_status)


def _add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str) -> argparse.ArgumentParser:
    meaning = MEANINGS[name]
    parser = verbs.add_parser(
        name,
        help=meaning,
        description=f"{meaning[0].upper()}{meaning[1:]}.",
        epilog=f"Example: {EXAMPLES[name]}",
        allow_abbrev=False,
    )
    parser.add_argument("bucket", metavar="BUCKET", help="the labeling bucket: s3://bucket")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    return parser


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    return int(args.run_verb(args, settings))


def _show_status(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.label_studio.status import count_status
    from training.label_studio.status_report import build_console, convert_status, print_status
    from training.labeling.bucket import open_labeling_bucket
    from training.labeling.cases import index_cases, read_cases

    with open_labeling_bucket(args.bucket, settings) as bucket:
        status = count_status(read_cases(bucket, index_cases(bucket)), bucket.list_tombstones())
    now = datetime.now(UTC)
    if args.json:
        print(json.dumps(convert_status(status, now=now)))
    else:
        print_status(status, build_console(), now=now)
    return 0
