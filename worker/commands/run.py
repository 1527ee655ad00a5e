"""`zoomin run`: run the worker until it is stopped."""

import argparse

from worker import app
from worker.service import run_service

NAME = "run"
HELP = "judge events until stopped (SIGTERM drains; exit 0 asked to stop, 1 fatal, 2 bad settings)"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example:\n"
        "  ZOOMIN_KAFKA__BOOTSTRAP_SERVERS=broker:9092 ZOOMIN_STORE__BUCKETS=uploads \\\n"
        "  ZOOMIN_ENGINE__MODEL=/models/zoomin-7b zoomin run"
    )


def run(args: argparse.Namespace) -> int:
    return run_service(args.settings(), app.run_worker)
