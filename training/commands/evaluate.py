"""`zoomin-train evaluate`: a checkpoint's figures on held-out images."""

import argparse
import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.numbers import positive
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pipeline.checkpoint import Checkpoint
    from training.evaluate import Sample
    from training.metrics import Judged

HELP = "measure a checkpoint on held-out images"
EXAMPLE = "zoomin-train evaluate models/zoomin-tiny --count 200 --json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: held-out scenes)"
    )
    parser.add_argument("--count", type=positive, default=1000, metavar="N", help="images (default 1000)")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument(
        "--write-card", action="store_true", help="write the figures into MODEL's zoomin.json and README.md"
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training import evaluate, resampling

    checkpoint = Checkpoint.read(args.model)
    if args.data:
        samples = evaluate.from_directory(args.data, args.count)
    else:
        samples = evaluate.held_out(args.count, settings.workers)
    print("starting the engine: a minute or two on a CPU", file=sys.stderr)
    importlib.import_module("pipeline.vllm_engine")  # takes seconds, in which asyncio would not hear Ctrl-C
    judged, engine = asyncio.run(_judge(checkpoint, samples, settings.concurrency))
    shown = evaluate.figures(judged)
    if args.write_card:
        from training import model_card

        model_card.write(checkpoint, model_card.Evaluation(shown, len(samples), engine))
    print(evaluate.table(shown))
    if args.json:
        print(json.dumps(resampling.as_json(shown)))
    return 0


async def _judge(
    checkpoint: "Checkpoint", samples: "list[Sample]", concurrency: int
) -> "tuple[dict[str, list[Judged]], str]":
    """All passes, and which engine made them."""
    from pipeline.vllm_engine import EngineOptions, VllmEngine
    from training import evaluate

    engine = await VllmEngine.start(checkpoint, EngineOptions(max_num_seqs=concurrency))
    try:
        return await evaluate.judge(samples, engine, concurrency=concurrency), engine.version
    finally:
        await engine.close()
