"""`zoomin collect`: bring reviews and deletions of the platform into the labeling bucket until it is stopped."""

import argparse

from worker.collect.app import run_collect
from worker.service import run_service

NAME = "collect"
HELP = (
    "bring reviews and deletions of the platform into the labeling bucket until stopped "
    "(SIGTERM drains; exit 0 asked to stop, 1 fatal, 2 bad settings)"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example:\n"
        "  ZOOMIN_KAFKA__BOOTSTRAP_SERVERS=broker:9092 ZOOMIN_STORE__BUCKETS=uploads \\\n"
        "  ZOOMIN_SAMPLING__BUCKET=labels zoomin collect"
    )


def run(args: argparse.Namespace) -> int:
    return run_service(args.settings(), run_collect)
