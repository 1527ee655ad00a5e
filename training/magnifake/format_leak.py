"""Whether file and format alone tell the classes apart: naive Bayes on everything but the picture, cross-validated.

Naive Bayes over values in bins: a habit of one class shows in each feature by itself, whatever its shape, and nothing
has to be tuned.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.verdict import Verdict
from training.magnifake.tuples import Tuple
from training.measuring.metrics import Figure

FOLDS = 5
BINS = 10
CHANCE = 0.5
SEED = 0
Z_95 = 1.96
HEAD_BYTES = 41  # of a PNG: all that stands before its pixels
Features = Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Leak:
    """Balanced accuracy of a judge that never sees a picture, and of the same judge with one feature alone."""

    balanced_accuracy: Figure
    by_feature: dict[str, float]

    @property
    def at_chance(self) -> bool:
        low = self.balanced_accuracy.low
        return low is not None and low <= CHANCE


def of_file(path: Path) -> Features:
    """What a file says before its picture is looked at."""
    status = path.stat()
    with Image.open(path) as image:
        tables = getattr(image, "quantization", None)
        return {
            "format": image.format or "",
            "mode": image.mode,
            "width_px": float(image.width),
            "height_px": float(image.height),
            "length_bytes": float(status.st_size),
            "written_at": float(status.st_mtime_ns),
            "suffix": path.suffix,
            "name_length": float(len(path.name)),
            "metadata": " ".join(sorted(map(str, image.info))),
            "quantization": str(tables and sorted(tables.items())),
            "begins_with": _head(path),
        }


def measure(features: Sequence[Features], labels: Sequence[Verdict]) -> Leak:
    """Each image is judged by what the other folds show; folds hold both classes in their shares.

    Raises: ValueError where a class has no image.
    """
    if set(labels) != set(Verdict):
        raise ValueError("both classes are needed")
    names = list(features[0]) if features else []
    binned = {name: _binned([one[name] for one in features]) for name in names}
    folds = _folds(labels)
    alone = {name: _balanced(_right({name: binned[name]}, labels, folds), labels).value or 0.0 for name in names}
    return Leak(_balanced(_right(binned, labels, folds), labels), alone)


def of_source(one: Tuple) -> Features:
    """The same question put to the files as they came in."""
    return {
        "format": one.source_format,
        "width_px": float(one.source_size_px[0]),
        "height_px": float(one.source_size_px[1]),
        "length_bytes": float(one.source_bytes),
        "suffix": Path(one.source_file).suffix.lower(),
        "name_length": float(len(Path(one.source_file).name)),
    }


def _head(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES).hex()


def _right(binned: Mapping[str, Sequence[object]], labels: Sequence[Verdict], folds: Sequence[int]) -> list[bool]:
    right = [False] * len(labels)
    for fold in range(FOLDS):
        judge = _Judge(binned, labels, [i for i, other in enumerate(folds) if other != fold])
        for i in (i for i, own in enumerate(folds) if own == fold):
            right[i] = judge.says({name: values[i] for name, values in binned.items()}) is labels[i]
    return right


class _Judge:
    """Counts of each feature's values by class, with one added everywhere; classes weigh the same."""

    def __init__(self, binned: Mapping[str, Sequence[object]], labels: Sequence[Verdict], known: Sequence[int]) -> None:
        self._totals = Counter(labels[i] for i in known)
        self._seen: dict[tuple[str, object], Counter[Verdict]] = defaultdict(Counter)
        self._kinds = {name: len(set(values)) for name, values in binned.items()}
        for name, values in binned.items():
            for i in known:
                self._seen[name, values[i]][labels[i]] += 1

    def says(self, features: Mapping[str, object]) -> Verdict:
        odds = sum(
            self._log_share(name, value, Verdict.GENERATED) - self._log_share(name, value, Verdict.REAL)
            for name, value in features.items()
        )
        return Verdict.GENERATED if odds > 0 else Verdict.REAL

    def _log_share(self, name: str, value: object, label: Verdict) -> float:
        counts = self._seen.get((name, value), Counter())
        return math.log((counts[label] + 1) / (self._totals[label] + self._kinds[name]))


def _binned(values: Sequence[str | float]) -> list[object]:
    """Words as they are; numbers of many values by their tenths."""
    if any(isinstance(value, str) for value in values) or len(set(values)) <= BINS:
        return list(values)
    edges = np.quantile(np.array(values, float), np.linspace(0, 1, BINS + 1)[1:-1])
    return [int(place) for place in np.searchsorted(edges, np.array(values, float))]


def _folds(labels: Sequence[Verdict]) -> list[int]:
    rng = np.random.default_rng(SEED)
    folds = [0] * len(labels)
    for label in Verdict:
        own = rng.permutation([i for i, other in enumerate(labels) if other is label])
        for place, i in enumerate(own):
            folds[int(i)] = place % FOLDS
    return folds


def _balanced(right: Sequence[bool], labels: Sequence[Verdict]) -> Figure:
    """The mean of both classes' shares of right ones; the interval is Agresti and Coull's, for two classes."""
    value = middle = variance = 0.0
    for label in Verdict:
        hits = [hit for hit, other in zip(right, labels, strict=True) if other is label]
        share = (sum(hits) + 2) / (len(hits) + 4)
        value += sum(hits) / len(hits) / 2
        middle += share / 2
        variance += share * (1 - share) / (len(hits) + 4) / 4
    spread = Z_95 * math.sqrt(variance)
    low, high = max(0.0, middle - spread), min(1.0, middle + spread)
    return Figure(value, min(low, value), max(high, value), len(right))
