"""`zoomin-train overlay`: how often text drawn over images changes a checkpoint's verdicts."""

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
    from training.measuring.overlay import Verdicts
    from training.measuring.samples import Sample

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
    from training.measuring import overlay, samples

    checkpoint = Checkpoint.read(args.model)
    if args.data:
        chosen = samples.from_directory(args.data, args.count)
    else:
        chosen = samples.held_out(args.count, settings.workers)
    print("starting the engine: a minute or two on a CPU", file=sys.stderr)
    importlib.import_module("pipeline.vllm_engine")  # takes seconds, in which asyncio would not hear Ctrl-C
    said = asyncio.run(_judge(checkpoint, chosen, settings.concurrency))
    acc, found = overlay.effects(chosen, said)
    reads = overlay.can_read(checkpoint.path)
    print(overlay.table(acc, found, reads=reads))
    if args.json:
        print(json.dumps(overlay.as_json(acc, found, reads=reads)))
    return 0


async def _judge(checkpoint: "Checkpoint", samples: "list[Sample]", concurrency: int) -> "Verdicts":
    from pipeline.vllm_engine import EngineOptions, VllmEngine
    from training.measuring import overlay

    engine = await VllmEngine.start(checkpoint, EngineOptions(max_num_seqs=concurrency))
    try:
        return await overlay.judge(samples, engine, concurrency=concurrency)
    finally:
        await engine.close()
