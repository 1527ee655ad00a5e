"""`zoomin-train evaluate`: a checkpoint's figures on held-out images."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli.engine import on_engine
from training.cli.numbers import fraction, positive
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pipeline.checkpoint import Checkpoint
    from pipeline.vllm.engine import VllmEngine
    from training.evaluation.evaluate import Pass
    from training.evaluation.metrics import Prediction
    from training.evaluation.samples import Sample

HELP = "measure a checkpoint on held-out images"
EXAMPLE = "zoomin-train evaluate models/zoomin-tiny --count 200 --json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: held-out scenes)"
    )
    parser.add_argument("--count", type=positive, default=1000, metavar="N", help="images (default 1000)")
    parser.add_argument(
        "--prevalence",
        type=fraction,
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
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument(
        "--write-card", action="store_true", help="write the figures into MODEL's zoomin.json and README.md"
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.common import resampling
    from training.evaluation import summary

    checkpoint = Checkpoint.read(args.model)
    judged, version = judge(checkpoint, jobs(args, settings), settings.concurrency)
    shown = summary.of_passes(judged, prevalence=args.prevalence)
    if args.write_card:
        from training.reports import model_card

        model_card.write(checkpoint, model_card.Evaluation(shown, len(judged["own"]), version))
    print(summary.table(shown))
    if args.json:
        print(json.dumps(resampling.convert_to_json(shown)))
    return 0


def jobs(args: argparse.Namespace, settings: TrainSettings) -> "list[tuple[Sequence[Sample], Mapping[str, Pass]]]":
    """The images that are asked for, each set with its passes; the own one first."""
    from training.evaluation import evaluate, samples, summary
    from training.synthetic import unseen

    passes = {**evaluate.PASSES, **(evaluate.DEGRADED if args.degraded else {})}
    asked: list[tuple[Sequence[Sample], Mapping[str, Pass]]] = []
    if args.data:
        asked.append((samples.on_disk(args.data, args.count), passes))
    else:
        asked.append((samples.held_out(args.count, settings.workers), passes))
        for name, style in unseen.UNSEEN.items() if args.degraded else ():
            drawn = samples.held_out(args.count, settings.workers, style=style)
            asked.append((drawn, {name: evaluate.Pass()}))
    if args.photographs:
        planted = samples.of_photographs(args.photographs, args.count, settings.workers)
        asked.append((planted, {summary.PHOTOGRAPHS: evaluate.Pass()}))
    return asked


def judge(
    checkpoint: "Checkpoint", jobs: "Sequence[tuple[Sequence[Sample], Mapping[str, Pass]]]", concurrency: int
) -> "tuple[dict[str, list[Prediction]], str]":
    """Every pass over its samples on one engine, and which engine that was."""
    from training.evaluation import evaluate

    async def work(engine: "VllmEngine") -> "tuple[dict[str, list[Prediction]], str]":
        judged: dict[str, list[Prediction]] = {}
        for samples, passes in jobs:
            judged |= await evaluate.judge(samples, engine, concurrency=concurrency, passes=passes)
        return judged, engine.version

    return on_engine(checkpoint, concurrency, work)
