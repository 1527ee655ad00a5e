"""`zoomin-train paper-tables`: the paper's tables and figures for a checkpoint, as a page and as JSON."""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli.engine import on_engine
from training.cli.numbers import positive
from training.paper import ablation_rows
from training.paper.reported import BENCHMARKS
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pipeline.checkpoint import Checkpoint
    from pipeline.engine import VisionEngine
    from pipeline.vllm.engine import VllmEngine
    from training.evaluation.metrics import Prediction
    from training.evaluation.samples import Sample
    from training.evaluation.summary import Json
    from training.paper.attention_map import Scanned
    from training.paper.recorded import Recorded
    from training.paper.tables import Seconds
    from training.reports.examples import Example

HELP = "make the paper's tables and figures for a checkpoint"
EXAMPLE = "zoomin-train paper-tables --model models/zoomin-tiny --out build/paper --count 200"
TIMED = 20
LOOKED_AT = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for report.html and report.json")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: held-out scenes)"
    )
    parser.add_argument("--count", type=positive, default=400, metavar="N", help="images of that set (default 400)")
    parser.add_argument(
        "--photographs",
        type=Path,
        metavar="DIR",
        help="real photographs to plant the scenes' artifacts in, for table 2: as many frames as images of that set",
    )
    for name, title in BENCHMARKS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"{title} as published, for table 2")
    parser.add_argument(
        "--benchmark-count",
        type=positive,
        default=10_000,
        metavar="N",
        help="images of each of those at most (default 10000)",
    )
    parser.add_argument(
        "--trained-on",
        type=Path,
        metavar="SET",
        help="the training set: what it holds of those is left out, and others are drawn in its place",
    )
    ablation_rows.configure(parser)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is asked: the set that all tables are about, and others for table 2, by name, with their titles.

    `name` is table 2's for the set: scenes, magnifake (what `zoomin-train build` made) or data. `met` is how many
    images of a published set are left out because the training set holds them, by reason; None: nobody looked.
    """

    name: str
    title: str
    samples: "list[Sample]"
    others: "Mapping[str, tuple[str, Sequence[Sample]]]"
    met: "Mapping[str, Mapping[str, int]] | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What came back."""

    judged: "Mapping[str, Sequence[Prediction]]"
    others: "Mapping[str, tuple[str, Sequence[Prediction]]]"
    seconds: "Seconds"
    examples: "Sequence[Example]"
    scanned: "Sequence[Scanned]"
    engine: str


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.paper import attention_map, latency, recorded
    from training.reports import examples, page

    checkpoint = Checkpoint.read(args.model)
    kept = args.model.resolve().parent / recorded.NAME
    recorded.read(kept)  # one that cannot be read is refused before anything starts
    job = _job(args, settings)
    if args.train is not None:
        ablation_rows.run(args, settings, job.samples, kept)
    trained = recorded.read(kept)
    measured = _measured(checkpoint, job, settings.concurrency)
    maps = attention_map.draw(checkpoint, measured.scanned)
    captioned = [(heat.caption, attention_map.picture(heat)) for heat in maps]
    pictures = page.Pictures(measured.examples, examples.tiles(job.samples), captioned)
    numbers = of(checkpoint, job, measured, trained, machine=latency.machine(settings.threads))
    numbers |= {"figure9": attention_map.numbers(maps), "galleries": pictures.as_json()}
    page.write(args.out, numbers, "paper.html.jinja", pictures=pictures, kinds=examples.KINDS)
    print(args.out / page.HTML_NAME)
    return 0


def _job(args: argparse.Namespace, settings: TrainSettings) -> Job:
    from training.dataset import tuples
    from training.evaluation import samples, summary
    from training.paper import tables as paper_tables
    from training.synthetic import unseen

    listed, met = _published(args, settings)
    if args.photographs:
        planted = samples.of_photographs(args.photographs, args.count, settings.workers)
        listed |= {summary.PHOTOGRAPHS: (summary.PLANTED, planted)}
    if args.data:
        own = samples.from_directory(args.data, args.count)
        name = (
            "scenes" if paper_tables.are_scenes(own) else "magnifake" if (args.data / tuples.NAME).is_file() else "data"
        )
        return Job(name, args.data.resolve().name, own, listed, met)
    drawn = samples.held_out(args.count, settings.workers)
    scenes = {
        name: (f"Scenes with {name.replace('_', ' ')}", samples.held_out(args.count, settings.workers, style=style))
        for name, style in unseen.UNSEEN.items()
    }
    return Job("scenes", "held-out scenes", drawn, scenes | listed, met)


def _published(
    args: argparse.Namespace, settings: TrainSettings
) -> "tuple[dict[str, tuple[str, Sequence[Sample]]], dict[str, Mapping[str, int]] | None]":
    """The published sets that were given, and of each what is left out because it was trained on.

    All are listed first: a folder of another layout is refused before the engine starts.
    """
    from training.paper import benchmarks, contamination

    given = {name: directory for name in BENCHMARKS if (directory := getattr(args, name))}
    if args.trained_on is None:
        drawn = {name: benchmarks.LOADERS[name](place, args.benchmark_count) for name, place in given.items()}
        return {name: (BENCHMARKS[name], benchmarks.on_disk(listed)) for name, listed in drawn.items()}, None
    whole = {name: benchmarks.LOADERS[name](place, sys.maxsize) for name, place in given.items()}
    training_set = contamination.TrainedOn.read(args.trained_on, settings.workers)
    sets: dict[str, tuple[str, Sequence[Sample]]] = {}
    met: dict[str, Mapping[str, int]] = {}
    for name, listed in whole.items():
        title = BENCHMARKS[name]
        left, met[name] = contamination.unmet(
            listed, args.benchmark_count, training_set, title=title, workers=settings.workers
        )
        print(contamination.told(title, len(left), met[name]), file=sys.stderr)
        sets[name] = title, benchmarks.on_disk(left)
    return sets, met


def _measured(checkpoint: "Checkpoint", job: Job, concurrency: int) -> Measured:
    async def work(engine: "VllmEngine") -> Measured:
        return await measure(checkpoint, job, engine, concurrency=concurrency, version=engine.version)

    return on_engine(checkpoint, concurrency, work)


async def measure(
    checkpoint: "Checkpoint", job: Job, engine: "VisionEngine", *, concurrency: int, version: str
) -> Measured:
    """Seconds first: only then every image is new to the engine.

    Raises: EngineDead.
    """
    from training.evaluation import evaluate
    from training.paper import attention_map, latency, variants
    from training.paper import tables as paper_tables
    from training.reports import examples

    took = await latency.measure(job.samples[:TIMED], engine)
    judged = await evaluate.judge(job.samples, engine, concurrency=concurrency, passes=paper_tables.PASSES)
    others: dict[str, tuple[str, Sequence[Prediction]]] = {}
    for name, (title, samples) in job.others.items():
        said = await evaluate.judge(samples, engine, concurrency=concurrency, passes=evaluate.OWN)
        others[name] = title, said["own"]
    own_judged = judged[variants.OWN]
    cards = await examples.cards(job.samples, own_judged, checkpoint, engine, version=version)
    picked = examples.pick(own_judged, LOOKED_AT)
    looked_at = [*picked["right"][:2], *picked["corrected"]][:LOOKED_AT]
    scanned = await attention_map.scan([job.samples[number] for number in looked_at], engine)
    return Measured(judged, others, took, cards, scanned, version)


def of(
    checkpoint: "Checkpoint", job: Job, measured: Measured, trained: "Mapping[str, Recorded]", *, machine: str
) -> "Json":
    """The numbers of the report."""
    from pipeline.checkpoint import PROMPT_VERSION
    from pipeline.verdict import Verdict
    from training.paper import tables as paper_tables
    from training.paper import variants
    from training.reports import examples

    own = measured.judged[variants.OWN]
    table_1 = paper_tables.table_1(job.samples, measured.judged, checkpoint.card, trained)
    gaps = [gap for row in table_1 if row["identity_gap"] and (gap := row["identity_gap"]["value"]) is not None]
    kinds = Counter(examples.kind(one.label, one.scan_verdict, one.check_verdict) for one in own)
    labels = Counter(one.label for one in own)
    sets = {job.name: (job.title, own), **measured.others}
    return {
        "model": {
            "name": checkpoint.name,
            "revision": checkpoint.revision,
            "prompt_version": PROMPT_VERSION,
            "engine": measured.engine,
        },
        "set": {
            "title": job.title,
            "images": len(own),
            "real": labels[Verdict.REAL],
            "generated": labels[Verdict.GENERATED],
        },
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "machine": machine,
        "by_construction": paper_tables.by_construction(scenes_judged=job.name == "scenes"),
        "table1": table_1,
        "table1_equal_budget": paper_tables.of_equal_budget(trained),
        "random_crop_cost": paper_tables.random_crop_cost(measured.judged),
        "largest_identity_gap": max(gaps, default=None),
        "table2": paper_tables.table_2(sets, own),
        "met_in_training": job.met,
        "table3": paper_tables.table_3(measured.judged),
        "table4": paper_tables.table_4(measured.seconds, machine),
        "figure4_5": paper_tables.by_boxes(own),
        "figure7": paper_tables.keywords(own),
        "figure10_11": [
            {"title": title, "rows": paper_tables.by_boxes(judged)} for title, judged in measured.others.values()
        ],
        "gallery_counts": {name: kinds[name] for name in examples.KINDS},
    }
