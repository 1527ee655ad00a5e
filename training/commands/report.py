"""`zoomin-train report`: two checkpoints side by side over the same images."""

import argparse
import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli.engine import on_engine
from training.cli.numbers import positive
from training.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.checkpoint import Checkpoint
    from pipeline.vllm.engine import VllmEngine
    from training.evaluation.samples import Sample
    from training.evaluation.summary import Json
    from training.reports.examples import Side

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
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: held-out scenes)"
    )
    parser.add_argument("--count", type=positive, default=400, metavar="N", help="images (default 400)")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.evaluation import samples
    from training.reports import examples, page

    a, b = Checkpoint.read(args.a), Checkpoint.read(args.b)
    if args.data:
        drawn, title = samples.from_directory(args.data, args.count), args.data.resolve().name
    else:
        drawn, title = samples.held_out(args.count, settings.workers), "held-out scenes"
    sides = _side(a, drawn, settings.concurrency), _side(b, drawn, settings.concurrency)
    pairs = asyncio.run(examples.pairs(drawn, *sides))
    numbers = of(*sides, drawn, title=title)
    numbers |= {"galleries": {name: [one.number for one in pairs if one.kind == name] for name in examples.DIFFERENCES}}
    page.write(args.out, numbers, "comparison.html.jinja", pairs=pairs, kinds=examples.DIFFERENCES)
    print(table(numbers))
    print(args.out / page.HTML_NAME)
    if args.json:
        print(json.dumps(numbers))
    return 0


def _side(checkpoint: "Checkpoint", samples: "Sequence[Sample]", concurrency: int) -> "Side":
    """Its engine is gone afterwards, and its answers stay."""
    from training.evaluation import evaluate
    from training.reports.examples import Side

    async def work(engine: "VllmEngine") -> Side:
        remembering = evaluate.Remembering(engine)
        judged = await evaluate.judge(samples, remembering, concurrency=concurrency, passes=evaluate.OWN)
        return Side(checkpoint, remembering, engine.version, judged["own"])

    return on_engine(checkpoint, concurrency, work)


def of(a: "Side", b: "Side", samples: "Sequence[Sample]", *, title: str) -> "Json":
    """The numbers of the report."""
    from pipeline.verdict import Verdict
    from training.evaluation import comparison
    from training.paper import tables as paper_tables

    labels = Counter(sample.label for sample in samples)
    models = {
        key: {"name": side.checkpoint.name, "revision": side.checkpoint.revision} for key, side in (("a", a), ("b", b))
    }
    return {
        **models,
        "set": {
            "title": title,
            "images": len(samples),
            "real": labels[Verdict.REAL],
            "generated": labels[Verdict.GENERATED],
        },
        "engine": b.version,
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "figures": comparison.figures_of_both(a.said, b.said),
        "mcnemar": comparison.mcnemar(a.said, b.said),
        # The cap of the view alone: the other lines are about passes that are not made here.
        "by_construction": paper_tables.by_construction(scenes_judged=paper_tables.are_scenes(samples))[:1],
    }


def table(numbers: "Json") -> str:
    """For people: each figure of both and their difference."""
    from training.reports.page import between, share, signed

    lines = [f"{'':36} {'A':>7} {'B':>7} {'B - A':>7}"]
    lines += [
        f"{row['title']:36} {share(row['a']):>7} {share(row['b']):>7} {signed(row['difference']):>7}  "
        f"[{between(row['difference'])}]"
        for row in numbers["figures"]
    ]
    lines += [
        f"McNemar, {row['figure']}: only A right on {row['only_a']}, only B on {row['only_b']}; p = {row['p']:.4g}"
        for row in numbers["mcnemar"]
    ]
    return "\n".join(lines)
