"""`zoomin-train evaluate`: the metrics of a checkpoint on held-out images."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli import answers, dry_runs, image_sets
from training.cli.numbers import parse_fraction
from training.dataset.labeled_image import Split
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pipeline.checkpoint import Checkpoint
    from training.common.resampling import Metric

HELP = "measure a checkpoint on held-out images"
EXAMPLE = "zoomin-train evaluate models/zoomin-tiny --count 200 --json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint")
    image_sets.add_images(parser, count=1000)
    parser.add_argument(
        "--prevalence",
        type=parse_fraction,
        metavar="P",
        help="share of generated images that precision, calibration and coverage are stated for (default: the set's)",
    )
    parser.add_argument(
        "--degraded",
        action="store_true",
        help="also on JPEG 80 and 30, crops and half size, and on scenes of artifacts and grounds never trained on",
    )
    parser.add_argument(
        "--photographs",
        type=Path,
        metavar="DIR",
        help="also on N frames of the real photographs there, half of them with the scenes' artifacts planted",
    )
    parser.add_argument(
        "--frame",
        choices=("full", "512"),
        default="full",
        help="judge images as serving does, or brought into the paper's centre square first (default %(default)s)",
    )
    parser.add_argument(
        "--split",
        choices=(Split.TEST, Split.GOLDEN),
        default=Split.TEST,
        help="of the set in --data: test (default), or golden, the images of a snapshot that nothing is ever trained, "
        "chosen or calibrated on",
    )
    answers.add_fresh(parser)
    dry_runs.add_planned_gpus(parser)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument(
        "--write-card", action="store_true", help="write the figures into MODEL's zoomin.json and README.md"
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.dry_run:
        written = [f"{args.model}/zoomin.json", f"{args.model}/README.md"] if args.write_card else []
        return dry_runs.show_engine(args, settings, writes=written)
    from pipeline.checkpoint import Checkpoint
    from training.common import resampling
    from training.dataset import broken
    from training.dataset.left_out import LeftOut
    from training.engine.run import prepare_engine
    from training.evaluation import jobs, summary

    checkpoint = Checkpoint.read(args.model)
    setup = prepare_engine(checkpoint, settings, fresh=args.fresh)
    left_out: list[LeftOut] = []
    collected = jobs.collect_jobs(
        args.data,
        args.count,
        perturbed=args.degraded,
        photographs=args.photographs,
        workers=settings.workers,
        left_out=left_out,
        frame=args.frame,
        split=Split(args.split),
    )
    predictions, version = jobs.predict_jobs(checkpoint, collected, setup)
    metrics = summary.summarize_passes(predictions, prevalence=args.prevalence)
    if args.write_card:
        _write_card(args, checkpoint, metrics, images=len(predictions["own"]), engine=version)
    print(summary.format_metrics(metrics))
    if left_out:
        print(broken.describe(left_out, str(args.data)))
    if args.json:
        images = {"frame": args.frame, "left_out": broken.convert_to_json(left_out)}
        print(json.dumps({**resampling.convert_to_json(metrics), **images}))
    return 0


def _write_card(
    args: argparse.Namespace, checkpoint: "Checkpoint", metrics: "dict[str, Metric]", *, images: int, engine: str
) -> None:
    """Write the metrics and the model card; a README.md that somebody else has written stays."""
    from training.reports import model_card

    options = args.model.name + (f" --data {args.data.name}" if args.data else "")  # no path of this machine
    options += f" --frame {args.frame}" if args.frame != "full" else ""
    options += f" --split {args.split}" if args.split != Split.TEST else ""
    described = _describe_images(args.data, args.frame)
    evaluation = model_card.Evaluation(metrics, images, described, engine, options)
    if not model_card.write_model_card(checkpoint, evaluation):
        print(f"{args.model / 'README.md'} stays as it is: zoomin-train did not write it", file=sys.stderr)


def _describe_images(data: Path | None, frame: str) -> str:
    from training.dataset import manifest
    from training.evaluation import samples
    from training.runs import publishing

    framed = "" if frame == "full" else f", in the frame {frame}"
    if data is None:
        return samples.HELD_OUT + framed
    return f"images of {data.resolve().name} ({publishing.digest_entries(list(manifest.read_manifest(data)))}){framed}"
