"""`zoomin-train retrain`: one night from labels to a promoted challenger."""

import argparse
import json
import sys
from pathlib import Path

from training.cli import dry_runs
from training.settings import TrainSettings

HELP = "run a night: snapshot, trainings, gate and promotion; goes on where a killed one stopped"
EXAMPLE = "zoomin-train retrain --config infra/nights/7b.yaml --set sft.epochs=1 --dry-run"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="YAML of the night, as those in infra/nights"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="replace a value of the file, as in sft.epochs=1; as often as needed",
    )
    parser.add_argument("--show", action="store_true", help="print the resolved configuration, and end")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print every command with its memory and what would be promoted where, and end",
    )
    dry_runs.add_gpus(parser)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument_group(
        "settings",
        "S3: ZOOMIN_TRAIN_S3_ENDPOINT_URL, _S3_REGION; credentials AWS_*. Endpoints that explain and ground: "
        "ZOOMIN_TRAIN_EXPLAIN_URL, _GROUND_URL and more (see `build`). Engines: as for `evaluate`.",
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.cli.endpoints import read_endpoints
    from training.retraining.annotate import Annotators
    from training.retraining.config import read_night_config, render_config

    config = read_night_config(args.config, args.set)
    if args.show:
        print(render_config(config), end="")
        return 0
    annotators = Annotators(*read_endpoints(settings))
    if args.dry_run:
        from training.engine.run import build_setup
        from training.retraining.dry_run import plan_night

        gpus = dry_runs.read_planned_gpus(args)
        steps = plan_night(config, annotators, gpus, build_setup(settings).options)
        return dry_runs.show_steps(steps, gpus, as_json=args.json)
    from training.retraining.night import NightRequest, run_night
    from training.retraining.report import locate_report

    outcome = run_night(NightRequest(config, settings, annotators, _notify))
    print(outcome.sentence)
    report = locate_report(outcome.directory) if outcome.directory else None
    if report:
        print(report)
    if args.json:
        page = {"report": str(report.with_suffix(".json")) if report else None}
        print(json.dumps({"sentence": outcome.sentence, "succeeded": outcome.succeeded, **page}))
    return 0 if outcome.succeeded else 1


def _notify(text: str) -> None:
    print(f"zoomin-train retrain: {text}", file=sys.stderr, flush=True)
