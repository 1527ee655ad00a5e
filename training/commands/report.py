"""`zoomin-train report`: two checkpoints side by side over the same images."""

import argparse
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.numbers import positive
from training.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.checkpoint import Checkpoint
    from training.measuring.metrics import Judged
    from training.measuring.paper_tables import Json
    from training.measuring.samples import Sample

HELP = "set two checkpoints side by side: paired differences and McNemar's test"
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
    from training.commands.evaluate import judge
    from training.measuring import evaluate, report, samples

    checkpoints = [Checkpoint.read(path) for path in (args.a, args.b)]
    if args.data:
        drawn, title = samples.from_directory(args.data, args.count), args.data.resolve().name
    else:
        drawn, title = samples.held_out(args.count, settings.workers), "held-out scenes"
    said: list[Sequence[Judged]] = []
    for checkpoint in checkpoints:
        judged, engine = judge(checkpoint, [(drawn, evaluate.OWN)], settings.concurrency)
        said.append(judged["own"])
    numbers = of(*checkpoints, drawn, *said, title=title, engine=engine)
    report.write(args.out, numbers, "comparison.html.jinja")
    print(table(numbers))
    print(args.out / report.HTML_NAME)
    if args.json:
        print(json.dumps(numbers))
    return 0


def of(
    a: "Checkpoint",
    b: "Checkpoint",
    samples: "Sequence[Sample]",
    said_a: "Sequence[Judged]",
    said_b: "Sequence[Judged]",
    *,
    title: str,
    engine: str,
) -> "Json":
    """The numbers of the report."""
    from pipeline.verdict import Verdict
    from training.measuring import comparison, paper_tables

    labels = Counter(sample.label for sample in samples)
    models = {key: {"name": one.name, "revision": one.revision} for key, one in (("a", a), ("b", b))}
    return {
        **models,
        "set": {
            "title": title,
            "images": len(samples),
            "real": labels[Verdict.REAL],
            "generated": labels[Verdict.GENERATED],
        },
        "engine": engine,
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "figures": comparison.figures_of_both(said_a, said_b),
        "mcnemar": comparison.mcnemar(said_a, said_b),
        # The cap of the view alone: the other lines are about passes that are not made here.
        "by_construction": paper_tables.by_construction(scenes_judged=paper_tables.are_scenes(samples))[:1],
    }


def table(numbers: "Json") -> str:
    """For people: each figure of both and their difference."""
    from training.measuring.report import between, share, signed

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
