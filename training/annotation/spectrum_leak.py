"""Measure how well the fineness of the pixels predicts the label, by cross-validated logistic regression on energies.

Pictures that were enlarged lack the finest waves, whatever they show. The energies of radial bands tell that and hardly
anything else of a picture, so a class that was delivered at another resolution is recognized by them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.verdict import Verdict
from training.annotation.format_leak import CHANCE, FOLDS, SEED, balance_accuracy
from training.common.resampling import Metric

BANDS = 18
WINDOW_PX = 512
LIMIT = 0.6
"""balanced accuracy above which the classes count as told apart"""
ITERATIONS = 1000
NYQUIST = 0.5
SILENCE = 1e-6  # the energy of a flat picture, whose logarithm would not be finite


def measure_band_energies(path: Path) -> tuple[float, ...]:
    """Return the logarithm of the energy of each radial band of a picture's centre, from slow waves to fine ones."""
    with Image.open(path) as opened:
        side = min(WINDOW_PX, *opened.size)
        left, top = (opened.width - side) // 2, (opened.height - side) // 2
        gray = np.asarray(opened.crop((left, top, left + side, top + side)).convert("L"), np.float64)
    fade = np.hanning(side)
    energies = np.abs(np.fft.rfft2((gray - gray.mean()) * fade[:, None] * fade)) ** 2
    radii = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    bands = np.minimum(radii / NYQUIST * BANDS, BANDS).astype(np.intp).ravel()  # the last one: diagonals beyond
    sums, counts = np.bincount(bands, energies.ravel(), BANDS + 1), np.bincount(bands, minlength=BANDS + 1)
    means = sums[:BANDS] / np.maximum(1, counts[:BANDS])
    return tuple(float(energy) for energy in np.log(means + SILENCE))


def measure_spectrum_leak(
    energies: Sequence[Sequence[float]], labels: Sequence[Verdict], groups: Sequence[str]
) -> Metric:
    """Return the balanced accuracy on images of groups that the classifier has not seen, with its interval.

    Raises: ValueError if a class has less than two groups.
    """
    generated = np.array([label is Verdict.GENERATED for label in labels])
    counts = [len({group for group, own in zip(groups, labels, strict=True) if own is label}) for label in Verdict]
    if min(counts) < 2:
        raise ValueError("two groups of both classes are needed")
    folds = StratifiedGroupKFold(min(FOLDS, *counts), shuffle=True, random_state=SEED)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=ITERATIONS))
    predicted: npt.NDArray[np.bool_] = cross_val_predict(
        classifier, np.array(energies), generated, groups=list(groups), cv=folds
    )
    return balance_accuracy(predicted, generated)


def is_told_apart(accuracy: Metric) -> bool:
    """Return whether the accuracy is above the limit, and not by chance."""
    return (accuracy.value or 0.0) > LIMIT and (accuracy.low or 0.0) > CHANCE
