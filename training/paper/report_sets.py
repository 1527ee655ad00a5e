"""The image sets of the paper report: the set of all tables, and the other sets of table 2 without contamination."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from training.dataset import broken, manifest
from training.dataset.left_out import LeftOut
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
    counts the images excluded from each benchmark, by reason; None when no training set was searched. `directories` are
    those of the sets whose images are files; `left_out` lists the broken files of each set.
    """

    name: str
    title: str
    samples: Sequence[Sample]
    others: Mapping[str, TitledSet]
    contamination: Mapping[str, Mapping[str, int]] | None = None
    directories: Mapping[str, Path] = field(default_factory=dict)
    left_out: Mapping[str, Sequence[LeftOut]] = field(default_factory=dict)


def collect_sets(options: SetOptions, workers: int) -> ReportSets:
    """Read all sets. Benchmarks come first: one of another layout is refused before anything else starts.

    Raises: BadSettings, also for a set of which too many files are broken.
    """
    others, counts, left_out = _collect_benchmarks(options, workers)
    if options.photographs:
        frames = samples.load_photographs(options.photographs, options.count, workers)
        others |= {summary.PHOTOGRAPHS: (summary.INJECTED_TITLE, frames)}
    if options.data:
        faults: list[LeftOut] = []
        own = samples.read_samples(options.data, options.count, left_out=faults)
        is_built = manifest.is_built(list(manifest.read_manifest(options.data)))
        are_scenes = scene_limits.are_scenes(truth.reference for truth in own.truths)
        name = "scenes" if are_scenes else "magnifake" if is_built else "data"
        directories = {**options.benchmarks, name: options.data}
        left_out[name] = faults
        return ReportSets(name, options.data.resolve().name, own, others, counts, directories, left_out)
    drawn = samples.draw_held_out(options.count, workers)
    scenes: dict[str, TitledSet] = {
        name: (f"Scenes with {name.replace('_', ' ')}", samples.draw_held_out(options.count, workers, style=style))
        for name, style in unseen.UNSEEN.items()
    }
    return ReportSets("scenes", "held-out scenes", drawn, scenes | others, counts, options.benchmarks, left_out)


def _collect_benchmarks(
    options: SetOptions, workers: int
) -> tuple[dict[str, TitledSet], dict[str, Mapping[str, int]] | None, dict[str, Sequence[LeftOut]]]:
    """Return the benchmarks, and of each how many images are excluded as contamination, and its broken files."""
    is_searched = options.training_set is not None
    most = sys.maxsize if is_searched else options.benchmark_count
    listed = {name: benchmarks.LOADERS[name](directory, most) for name, directory in options.benchmarks.items()}
    training_set = contamination.TrainingSet.read(options.training_set, workers) if options.training_set else None
    sets: dict[str, TitledSet] = {}
    counts: dict[str, Mapping[str, int]] = {}
    left_out: dict[str, Sequence[LeftOut]] = {}
    for name, drawn in listed.items():
        directory, title, faults = options.benchmarks[name], BENCHMARKS[name], list[LeftOut]()
        if training_set:
            left, counts[name] = contamination.exclude_contaminated(
                drawn, options.benchmark_count, training_set, title=title, workers=workers, left_out=faults
            )
            print(contamination.describe_exclusions(title, len(left), counts[name]), file=sys.stderr)
        else:
            left = benchmarks.drop_broken(drawn, title=title, workers=workers, left_out=faults)
        broken.refuse_many(faults, len(left) + len(faults), directory)
        left_out[name] = [replace(fault, name=Path(fault.name).relative_to(directory).as_posix()) for fault in faults]
        sets[name] = title, benchmarks.build_lazy_samples(left, directory)
    return sets, counts if is_searched else None, left_out
