"""Whether file and format alone tell the classes apart: naive Bayes on everything but the picture, cross-validated.

Naive Bayes over values in bins: a habit of one class shows in each feature by itself, whatever its shape, and nothing
has to be tuned.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.metrics import recall_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import CategoricalNB

from pipeline.verdict import Verdict
from training.common.resampling import Metric
from training.dataset.labeled_image import LabeledImage

FOLDS = 5
BINS = 10
CHANCE = 0.5
SEED = 0
Z_95 = 1.96
HEAD_BYTES = 41  # of a PNG: all that stands before its pixels
Features = Mapping[str, str | float]
Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Leak:
    """Balanced accuracy of a judge that never sees a picture, and of the same judge with one feature alone."""

    balanced_accuracy: Metric
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

    Raises: ValueError where a class has less than two images.
    """
    generated = np.array([label is Verdict.GENERATED for label in labels])
    smallest = min(generated.sum(), (~generated).sum())
    if smallest < 2:
        raise ValueError("two images of both classes are needed")
    names = list(features[0])
    codes = np.column_stack([_codes([values[name] for values in features]) for name in names])
    folds = StratifiedKFold(min(FOLDS, int(smallest)), shuffle=True, random_state=SEED)
    alone = {name: _judged(codes[:, [i]], generated, folds).value or 0.0 for i, name in enumerate(names)}
    return Leak(_judged(codes, generated, folds), alone)


def of_source(image: LabeledImage) -> Features:
    """Read what the source file's provenance says besides its picture."""
    source = image.require_provenance()
    return {
        "format": source.source_format,
        "width_px": float(source.source_size_px[0]),
        "height_px": float(source.source_size_px[1]),
        "length_bytes": float(source.source_bytes),
        "suffix": Path(source.source_file).suffix.lower(),
        "name_length": float(len(Path(source.source_file).name)),
    }


def _head(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES).hex()


def _codes(values: Sequence[str | float]) -> Codes:
    """Words by their number; numbers of many values by their tenths."""
    codes: Codes
    if any(isinstance(value, str) for value in values) or len(set(values)) <= BINS:
        codes = np.unique(np.array(values, object).astype(str), return_inverse=True)[1]
    else:
        edges = np.quantile(np.array(values, float), np.linspace(0, 1, BINS + 1)[1:-1])
        codes = np.searchsorted(edges, np.array(values, float))
    return codes


def _judged(codes: Codes, generated: npt.NDArray[np.bool_], folds: StratifiedKFold) -> Metric:
    """Both classes weigh the same, however many images they have."""
    judge = CategoricalNB(fit_prior=False, min_categories=codes.max(0) + 1)
    said = cross_val_predict(judge, codes, generated, cv=folds)
    return _balanced(said, generated)


def _balanced(said: npt.NDArray[np.bool_], generated: npt.NDArray[np.bool_]) -> Metric:
    """The mean of both classes' shares of right ones; the interval is Agresti and Coull's, for two classes."""
    shares = recall_score(generated, said, average=None)
    counts = np.bincount(generated)
    middles = (shares * counts + 2) / (counts + 4)
    spread = Z_95 * math.sqrt((middles * (1 - middles) / (counts + 4)).sum()) / 2
    value, middle = float(shares.mean()), float(middles.mean())
    low, high = max(0.0, middle - spread), min(1.0, middle + spread)
    return Metric(value, min(low, value), max(high, value), len(said))
