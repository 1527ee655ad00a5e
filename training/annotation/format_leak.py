"""Measure how well file and format alone predict the label, by cross-validated naive Bayes without the pixels.

Naive Bayes over binned values detects a difference between the classes in each feature by itself, whatever its
distribution, and needs no tuning.

Images of one size are kept in one fold, one of the smaller class with its share of the larger. Where both classes have
each size equally often, an image in training would otherwise vote against the image of the other class that it is
matched with: accuracy falls far below chance, and hides what another feature reveals.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.metrics import recall_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.naive_bayes import CategoricalNB

from pipeline.verdict import Verdict
from training.common.resampling import Metric
from training.dataset.labeled_image import LabeledImage

FOLDS = 5
BINS = 10
CHANCE = 0.5
SEED = 0
CONFIDENCE = 0.95
HEAD_BYTES = 41  # of a PNG: all that stands before its pixels
Features = Mapping[str, str | float]
Codes = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Folds = Sequence[tuple[Codes, Codes]]
"""the rows to train on and to predict, of each fold"""


@dataclass(frozen=True, slots=True)
class Leak:
    """Balanced accuracy of a classifier that sees no pixels, and of the same classifier with one feature alone.

    The intervals of `by_feature` hold together: in 95 % of sets without a leak, all of them contain .5.
    """

    balanced_accuracy: Metric
    by_feature: dict[str, Metric]

    @property
    def at_chance(self) -> bool:
        """Whether neither all features together nor one of them alone tells the classes apart."""
        return all(
            metric.low is not None and metric.low <= CHANCE
            for metric in (self.balanced_accuracy, *self.by_feature.values())
        )


def read_file_features(path: Path) -> Features:
    """Read all properties of a file besides its pixels."""
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
            "begins_with": _read_head(path),
        }


def measure_leak(features: Sequence[Features], labels: Sequence[Verdict]) -> Leak:
    """Measure the accuracy by cross-validation; folds hold both classes in their shares.

    Raises: ValueError if a class has less than two images.
    """
    generated = np.array([label is Verdict.GENERATED for label in labels])
    smallest = min(generated.sum(), (~generated).sum())
    if smallest < 2:
        raise ValueError("two images of both classes are needed")
    names = list(features[0])
    codes = np.column_stack([_encode([values[name] for values in features]) for name in names])
    splitter = StratifiedGroupKFold(min(FOLDS, int(smallest)), shuffle=True, random_state=SEED)
    folds = list(splitter.split(codes, generated, _group_equal_sizes(features, generated)))
    each = 1 - (1 - CONFIDENCE) / len(names)
    alone = {name: _measure_accuracy(codes[:, [n]], generated, folds, each) for n, name in enumerate(names)}
    return Leak(_measure_accuracy(codes, generated, folds), alone)


def read_source_features(image: LabeledImage) -> Features:
    """Read the same properties of the file before framing, as far as its provenance records them."""
    source = image.require_provenance()
    return {
        "format": source.source_format,
        "width_px": float(source.source_size_px[0]),
        "height_px": float(source.source_size_px[1]),
        "length_bytes": float(source.source_bytes),
        "suffix": Path(source.source_file).suffix.lower(),
        "name_length": float(len(Path(source.source_file).name)),
    }


def _read_head(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES).hex()


def _group_equal_sizes(features: Sequence[Features], generated: Bools) -> list[int]:
    """Give each image the number of its group: of one size, one image of the smaller class and its share of the larger.

    Images of a size that have no counterpart left form groups of their own, so a size that one class has more often
    still reveals it.
    """
    count = int(generated.sum())
    smaller = 2 * count <= len(generated)
    share = math.ceil(max(count, len(generated) - count) / min(count, len(generated) - count))
    found: Counter[tuple[object, ...]] = Counter()
    groups: dict[tuple[object, ...], int] = {}
    numbers = []
    for values, label in zip(features, generated, strict=True):
        size = (values.get("width_px"), values.get("height_px"))
        place = found[*size, label]
        found[*size, label] += 1
        group = (*size, place if label == smaller else place // share)
        numbers.append(groups.setdefault(group, len(groups)))
    return numbers


def _encode(values: Sequence[str | float]) -> Codes:
    """Encode words by their number, and numbers of many values by their decile."""
    codes: Codes
    if any(isinstance(value, str) for value in values) or len(set(values)) <= BINS:
        codes = np.unique(np.array(values, object).astype(str), return_inverse=True)[1]
    else:
        edges = np.quantile(np.array(values, float), np.linspace(0, 1, BINS + 1)[1:-1])
        codes = np.searchsorted(edges, np.array(values, float))
    return codes


def _measure_accuracy(codes: Codes, generated: Bools, folds: Folds, confidence: float = CONFIDENCE) -> Metric:
    """Measure accuracy with equal weights of both classes, however many images they have."""
    classifier = CategoricalNB(fit_prior=False, min_categories=codes.max(0) + 1)
    predicted = cross_val_predict(classifier, codes, generated, cv=folds)
    return balance_accuracy(predicted, generated, confidence)


def balance_accuracy(predicted: Bools, generated: Bools, confidence: float = CONFIDENCE) -> Metric:
    """Average the recall of both classes; the interval is Agresti and Coull's, for two classes."""
    shares = recall_score(generated, predicted, average=None)
    counts = np.bincount(generated)
    middles = (shares * counts + 2) / (counts + 4)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    spread = z * math.sqrt((middles * (1 - middles) / (counts + 4)).sum()) / 2
    value, middle = float(shares.mean()), float(middles.mean())
    low, high = max(0.0, middle - spread), min(1.0, middle + spread)
    return Metric(value, min(low, value), max(high, value), len(predicted))
