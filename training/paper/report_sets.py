"""The image sets of the paper report: the set of all tables, and the other sets of table 2 without contamination."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.dataset import manifest
from training.evaluation import samples, summary
from training.evaluation.samples import Sample
from training.paper import benchmarks, contamination
from training.paper.reported import BENCHMARKS
from training.reports import scene_limits
from training.synthetic import unseen

TitledSet = tuple[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class SetOptions:
    """The sets to read: `data` for all tables (None: held-out scenes), photographs and benchmarks for table 2.

    Images of the benchmarks that `training_set` holds are excluded.
    """

    data: Path | None
    count: int
    photographs: Path | None
    benchmarks: Mapping[str, Path]
    benchmark_count: int
    training_set: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class ReportSets:
    """The set that all tables are about, and the other sets of table 2, by name, with their titles.

    `name` is the own set's name in table 2: scenes, magnifake (built by `zoomin-train build`) or data. `contamination`
    counts the images excluded from each benchmark, by reason; None when no training set was searched.
    """

    name: str
    title: str
    samples: Sequence[Sample]
    others: Mapping[str, TitledSet]
    contamination: Mapping[str, Mapping[str, int]] | None = None


def collect_sets(options: SetOptions, workers: int) -> ReportSets:
    """Read all sets. Benchmarks come first: one of another layout is refused before anything else starts.

    Raises: BadSettings; what decoding an image raises.
    """
    others, counts = _collect_benchmarks(options, workers)
    if options.photographs:
        frames = samples.load_photographs(options.photographs, options.count, workers)
        others |= {summary.PHOTOGRAPHS: (summary.INJECTED_TITLE, frames)}
    if options.data:
        own = samples.read_samples(options.data, options.count)
        is_built = manifest.is_built(list(manifest.read_manifest(options.data)))
        name = "scenes" if scene_limits.are_scenes(own) else "magnifake" if is_built else "data"
        return ReportSets(name, options.data.resolve().name, own, others, counts)
    own = samples.draw_held_out(options.count, workers)
    scenes: dict[str, TitledSet] = {
        name: (f"Scenes with {name.replace('_', ' ')}", samples.draw_held_out(options.count, workers, style=style))
        for name, style in unseen.UNSEEN.items()
    }
    return ReportSets("scenes", "held-out scenes", own, scenes | others, counts)


def _collect_benchmarks(
    options: SetOptions, workers: int
) -> tuple[dict[str, TitledSet], dict[str, Mapping[str, int]] | None]:
    """Return the benchmarks, and of each how many images are excluded as contamination, by reason."""
    if options.training_set is None:
        listed = {
            name: benchmarks.LOADERS[name](directory, options.benchmark_count)
            for name, directory in options.benchmarks.items()
        }
        return {name: (BENCHMARKS[name], benchmarks.build_lazy_samples(files)) for name, files in listed.items()}, None
    listed = {name: benchmarks.LOADERS[name](directory, sys.maxsize) for name, directory in options.benchmarks.items()}
    training_set = contamination.TrainingSet.read(options.training_set, workers)
    sets: dict[str, TitledSet] = {}
    counts: dict[str, Mapping[str, int]] = {}
    for name, files in listed.items():
        title = BENCHMARKS[name]
        left, counts[name] = contamination.exclude_contaminated(
            files, options.benchmark_count, training_set, title=title, workers=workers
        )
        print(contamination.describe_exclusions(title, len(left), counts[name]), file=sys.stderr)
        sets[name] = title, benchmarks.build_lazy_samples(left)
    return sets, counts
