"""`zoomin-train overlay`: how often text drawn over images changes a checkpoint's verdicts."""

import argparse
import json
from functools import partial
from pathlib import Path

from training.cli.engine import on_engine
from training.cli.numbers import positive
from training.settings import TrainSettings

HELP = "measure how often text drawn over images changes a checkpoint's verdicts"
EXAMPLE = "zoomin-train overlay models/zoomin-tiny --count 50 --json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: held-out scenes)"
    )
    parser.add_argument("--count", type=positive, default=200, metavar="N", help="images (default 200)")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.evaluation import overlay, samples

    checkpoint = Checkpoint.read(args.model)
    if args.data:
        chosen = samples.from_directory(args.data, args.count)
    else:
        chosen = samples.held_out(args.count, settings.workers)
    said = on_engine(checkpoint, settings.concurrency, partial(overlay.judge, chosen, concurrency=settings.concurrency))
    acc, found = overlay.effects(chosen, said)
    reads = overlay.can_read(checkpoint.path)
    print(overlay.table(acc, found, reads=reads))
    if args.json:
        print(json.dumps(overlay.as_json(acc, found, reads=reads)))
    return 0
