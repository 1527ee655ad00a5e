"""`zoomin-train report`: two checkpoints side by side over the same images."""

import argparse
import asyncio
import json
from pathlib import Path

from training.cli import answers, image_sets
from training.settings import TrainSettings

HELP = "set two checkpoints side by side: paired differences, McNemar's test, and images on which they differ"
EXAMPLE = "zoomin-train report models/zoomin-tiny build/tiny --count 400 --out build/report"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="A", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument("b", type=Path, metavar="B", help="directory of another")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/report"),
        metavar="DIR",
        help="for report.html and report.json (default %(default)s)",
    )
    image_sets.add_images(parser, count=400)
    answers.add_fresh(parser)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.dataset import broken
    from training.dataset.left_out import LeftOut
    from training.engine.run import SharedEngine, prepare_engine
    from training.evaluation import samples
    from training.reports import comparison_report, examples, page

    a, b = Checkpoint.read(args.a), Checkpoint.read(args.b)
    setups = [(model, prepare_engine(model, settings, args.out / "answers", fresh=args.fresh)) for model in (a, b)]
    left_out: list[LeftOut] = []
    drawn = samples.load_samples(args.data, args.count, settings.workers, left_out)
    title = args.data.resolve().name if args.data else "held-out scenes"
    with SharedEngine() as on_engine:
        by_a, by_b = (comparison_report.predict_with(model, drawn, setup, on_engine) for model, setup in setups)
    pairs = asyncio.run(examples.draw_pairs(drawn, by_a, by_b))
    numbers = comparison_report.build_comparison(by_a, by_b, left_out, title=title)
    numbers["galleries"] = {kind: [pair.number for pair in pairs if pair.kind == kind] for kind in examples.DIFFERENCES}
    page.write_report(args.out, numbers, "comparison.html.jinja", pairs=pairs, kinds=examples.DIFFERENCES)
    if left_out:
        print(broken.describe(left_out, title))
    print(comparison_report.format_comparison(numbers))
    print(args.out / page.HTML_NAME)
    if args.json:
        print(json.dumps(numbers))
    return 0
