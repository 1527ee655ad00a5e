"""Accuracy of both pools on the labeled events, weighted to the traffic, with McNemar's test."""

import numpy as np

from training.common.resampling import Floats
from training.estimates.estimate import LEAST_CASES, WeighedCases
from training.estimates.intervals import Bools, WeightedMeans, estimate_mean
from training.estimates.sampled_cases import LeftOutCases, SampledCases, collect_cases
from training.evaluation.comparison import compute_exact_p
from training.evaluation.summary import Json
from training.labeling.bucket import open_labeling_bucket
from training.labeling.cases import index_cases, read_cases
from training.settings import TrainSettings
from training.shadow.comparison import DIGITS
from training.shadow.judged_events import JudgedEvents


def read_labels(bucket: str, settings: TrainSettings) -> SampledCases:
    """Read the sampled cases of a labeling bucket; what enters no estimate is left out, as in `estimate`."""
    with open_labeling_bucket(bucket, settings) as opened:
        found = read_cases(opened, index_cases(opened))
        return collect_cases(found, LeftOutCases(), deleted=opened.list_tombstones())


def compare_with_labels(cases: SampledCases, champion: JudgedEvents, challenger: JudgedEvents) -> Json:
    """Compare both with the labels of the events that both judged; accuracies are None if too few are decided.

    A case weighs the inverse of its inclusion probability, so that accuracies are about all events; McNemar's test
    counts each image once.
    """
    weighed = WeighedCases.build(cases.select(np.isin(cases.event, champion.event)))
    labeled = weighed.select(weighed.cases.looked_at & weighed.cases.decided)
    rows = np.searchsorted(champion.event, labeled.cases.event)
    truth = labeled.cases.truth > 0
    right = [pool.generated[rows] == truth for pool in (champion, challenger)]
    first_of_image = np.zeros(len(truth), bool)
    first_of_image[labeled.cases.find_image_starts() if len(truth) else []] = True
    return {
        "sampled": len(weighed.cases),
        "decided": len(truth),
        "champion": _estimate(right[0].astype(float), labeled),
        "challenger": _estimate(right[1].astype(float), labeled),
        "difference": _estimate_difference(right[0], right[1], labeled),
        "mcnemar": _count_discordant(right[0][first_of_image], right[1][first_of_image]),
    }


def _estimate(values: Floats, labeled: WeighedCases) -> Json:
    if len(values) < LEAST_CASES:
        return {"value": None, "low": None, "high": None, "n": len(values)}
    return _describe(_estimate_mean(values, labeled), len(values), scale=1.0, shift=0.0)


def _estimate_difference(champion: Bools, challenger: Bools, labeled: WeighedCases) -> Json:
    """Estimate challenger minus champion: the mean of -1, 0 and 1, as a mean of values from 0 to 1."""
    if len(champion) < LEAST_CASES:
        return {"value": None, "low": None, "high": None, "n": len(champion)}
    values = (challenger.astype(float) - champion.astype(float) + 1) / 2
    return _describe(_estimate_mean(values, labeled), len(values), scale=2.0, shift=-1.0)


def _estimate_mean(values: Floats, labeled: WeighedCases) -> WeightedMeans:
    everyone = np.ones(len(values), bool)
    return estimate_mean(values, labeled.weights, everyone, labeled.cases.find_image_starts())


def _describe(mean: WeightedMeans, n: int, *, scale: float, shift: float) -> Json:
    numbers = {name: float(getattr(mean, name)) * scale + shift for name in ("value", "low", "high")}
    return {**{name: round(number, DIGITS) for name, number in numbers.items()}, "n": n}


def _count_discordant(champion: Bools, challenger: Bools) -> Json:
    only_champion, only_challenger = int((champion & ~challenger).sum()), int((challenger & ~champion).sum())
    return {
        "both": int((champion & challenger).sum()),
        "only_champion": only_champion,
        "only_challenger": only_challenger,
        "neither": int((~champion & ~challenger).sum()),
        "p": round(compute_exact_p(only_champion, only_challenger), 6),
    }
