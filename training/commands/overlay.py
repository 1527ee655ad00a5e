"""`zoomin-train overlay`: how often text drawn over images changes a checkpoint's verdicts."""

import argparse
import json
from functools import partial
from pathlib import Path

from training.cli import answers, image_sets
from training.settings import TrainSettings

HELP = "measure how often text drawn over images changes a checkpoint's verdicts"
EXAMPLE = "zoomin-train overlay models/zoomin-tiny --count 50 --json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint")
    image_sets.add_images(parser, count=200)
    answers.add_fresh(parser)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.dataset import broken
    from training.dataset.left_out import LeftOut
    from training.engine.run import prepare_engine, run_on_engine
    from training.evaluation import overlay, samples

    checkpoint = Checkpoint.read(args.model)
    setup = prepare_engine(checkpoint, settings, fresh=args.fresh)
    left_out: list[LeftOut] = []
    drawn = samples.load_samples(args.data, args.count, settings.workers, left_out)
    predict = partial(overlay.predict_overlays, drawn, concurrency=settings.concurrency)
    verdicts = run_on_engine(checkpoint, setup, predict)
    if left_out:
        print(broken.describe(left_out, str(args.data)))
    labels = [truth.label for truth in samples.list_truths(drawn)]
    acc, effects = overlay.measure_effects(labels, verdicts)
    reads = overlay.can_read(checkpoint.path)
    print(overlay.format_effects(acc, effects, reads=reads))
    if args.json:
        print(json.dumps(overlay.convert_effects_to_json(acc, effects, reads=reads)))
    return 0
