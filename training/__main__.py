"""The `zoomin-train` command: its verbs, and what a failure looks like to the person who typed it."""

import argparse
import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings, ZoomInError
from training import settings
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pipeline.checkpoint import Checkpoint
    from training.evaluate import Sample
    from training.metrics import Judged

INTERRUPTED = 130
HELD_OUT_SEED = 9_000_000


def main(arguments: list[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    try:
        loaded = settings.load()
        # Before anything imports torch or transformers: they read the environment once.
        settings.apply_process_environment(loaded.threads)
        return int(chosen.run(chosen, loaded))
    except ZoomInError as error:
        print(f"zoomin-train {chosen.verb}: {error.detail}", file=sys.stderr)
        return 2 if isinstance(error, BadSettings) else 1
    except OSError as error:
        print(f"zoomin-train {chosen.verb}: {error}; check the path and the space there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zoomin-train",
        description="Makes and measures ZoomIn checkpoints.",
        epilog="Settings: ZOOMIN_TRAIN_CACHE, _THREADS, _WORKERS, _CONCURRENCY.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    scenes = _verb(verbs, "scenes", "draw scenes with known truth", "zoomin-train scenes --count 60 --out build/scenes")
    scenes.add_argument(
        "--count", type=_positive, default=60, metavar="N", help="how many (default 60), half of them real"
    )
    scenes.add_argument(
        "--seed",
        type=_natural,
        default=HELD_OUT_SEED,
        metavar="S",
        help=f"first seed (default {HELD_OUT_SEED}: held out)",
    )
    scenes.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="directory for images and manifest.jsonl"
    )
    scenes.set_defaults(run=_scenes)

    tiny = _verb(
        verbs,
        "tiny",
        "train the tiny model from nothing; goes on where a killed run stopped",
        "zoomin-train tiny --seed 1 --out build/tiny",
    )
    tiny.add_argument(
        "--out", type=Path, default=Path("models/zoomin-tiny"), metavar="DIR", help="(default %(default)s)"
    )
    tiny.add_argument("--seed", type=_seed, default=0, metavar="S", help="0 to 60 (default 0)")
    tiny.add_argument("--minutes", type=float, default=30.0, metavar="M", help="at most (default 30)")
    tiny.set_defaults(run=_tiny)

    evaluate = _verb(
        verbs,
        "evaluate",
        "measure a checkpoint on held-out images",
        "zoomin-train evaluate models/zoomin-tiny --count 200 --json",
    )
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint")
    evaluate.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: held-out scenes)"
    )
    evaluate.add_argument("--count", type=_positive, default=1000, metavar="N", help="images (default 1000)")
    evaluate.add_argument("--json", action="store_true", help="the last line is one JSON object")
    evaluate.add_argument(
        "--write-card", action="store_true", help="write the figures into MODEL's zoomin.json and README.md"
    )
    evaluate.set_defaults(run=_evaluate)
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, example: str
) -> argparse.ArgumentParser:
    return verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=f"Example: {example}")


def _scenes(chosen: argparse.Namespace, loaded: TrainSettings) -> int:
    from training import manifest

    print(manifest.write_scenes(chosen.out, count=chosen.count, first_seed=chosen.seed, workers=loaded.workers))
    return 0


def _tiny(chosen: argparse.Namespace, loaded: TrainSettings) -> int:
    from training import tiny

    plan = tiny.Plan(seed=chosen.seed, minutes=chosen.minutes, threads=loaded.threads, workers=loaded.workers)
    tiny.make(plan, out=chosen.out, cache=loaded.cache_directory)
    print(f"{chosen.out}: measure it with `zoomin-train evaluate {chosen.out} --write-card`")
    return 0


def _evaluate(chosen: argparse.Namespace, loaded: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training import evaluate, metrics

    checkpoint = Checkpoint.read(chosen.model)
    if chosen.data:
        samples = evaluate.from_directory(chosen.data, chosen.count)
    else:
        samples = evaluate.held_out(chosen.count, loaded.workers)
    print("starting the engine: a minute or two on a CPU", file=sys.stderr)
    importlib.import_module("pipeline.vllm_engine")  # takes seconds, in which asyncio would not hear Ctrl-C
    judged, engine = asyncio.run(_judge(checkpoint, samples, loaded.concurrency))
    shown = evaluate.figures(judged)
    if chosen.write_card:
        from training import model_card

        model_card.write(checkpoint, model_card.Evaluation(shown, len(samples), engine))
    print(evaluate.table(shown))
    if chosen.json:
        print(json.dumps(metrics.as_json(shown)))
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


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def _seed(text: str) -> int:
    number = _natural(text)
    if number > 60:
        raise argparse.ArgumentTypeError("must be 60 or less: scenes of higher numbers are held out")
    return number


if __name__ == "__main__":
    sys.exit(main())
