"""`zoomin-train memory`: the memory that a run will need, before it is started."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from training.cli import values
from training.cli.numbers import parse_positive
from training.settings import TrainSettings
from training.sft.profiles import PROFILES, VALUES, resolve_sft_profile

HELP = "plan the memory of fine-tuning: GiB on each GPU, with the formula"
EXAMPLE = "zoomin-train memory --size 32b --gpus 8 --profile production"
GIB = 2**30


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size", default="7b", metavar="S", help="3b, 7b, 32b, or the directory of a checkpoint (default %(default)s)"
    )
    parser.add_argument(
        "--gpus",
        type=parse_positive,
        default=8,
        metavar="N",
        help="that weights are sharded over (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, in bytes")
    values.add_profile(parser, VALUES, PROFILES)


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    del settings
    choice = values.read_choice(args, VALUES)
    profile = resolve_sft_profile(choice.name, choice.changes, choice.file).values
    from pipeline.checkpoint import Checkpoint, CheckpointCard
    from training.qwen import sizes as qwen_sizes
    from training.sft import memory

    config = qwen_sizes.load_config(args.size)
    card = CheckpointCard() if args.size in qwen_sizes.SIZES else Checkpoint.read(Path(args.size)).card
    rank = profile.lora_rank if profile.trained == "lora" else None
    counted = memory.ParameterCount.from_model(qwen_sizes.build_on_meta(config), rank)
    batch = memory.Batch.build_largest(card, profile.micro_batch)
    planned = memory.estimate_memory(config, counted, batch, profile, devices=args.gpus)
    if args.json:
        report = {
            "parameters": asdict(counted),
            "batch": asdict(batch),
            "bytes": asdict(planned),
            "total": planned.total,
        }
        print(json.dumps(report))
        return 0
    print(memory.FORMULA)
    print()
    print(f"{counted.all:,} parameters, {counted.trained:,} of them trained; {args.gpus} GPUs; in hand {batch}")
    for name, size in (*asdict(planned).items(), ("total", planned.total)):
        print(f"{name:12} {size / GIB:8.2f} GiB per GPU")
    return 0
