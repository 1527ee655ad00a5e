"""Computes what follows from the runs of the contenders; pure."""

import json
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from kafka.consumer.fetcher import ConsumerRecord

from tests.bench.run.metrics import compute_steady_rate


@dataclass(frozen=True, slots=True)
class Run:
    """One contender on the images of one repeat. `seconds`: from the first event, or read, to the last verdict.

    `steady_per_s` leaves out start and run-out, as all rates here; a batch has none. `verdicts` are by image.
    """

    seconds: float
    verdicts: Mapping[str, str]
    cpu_s: Mapping[str, float]
    steady_per_s: float = 0.0

    @property
    def per_s(self) -> float:
        return len(self.verdicts) / self.seconds

    @property
    def cpu_ms_per_image(self) -> float:
        return 1000 * sum(self.cpu_s.values()) / len(self.verdicts)


def read_run(records: Sequence[ConsumerRecord], *, began_s: float, cpu_s: Mapping[str, float], ends: int) -> Run:
    """Read a run from the records of its verdicts, in their order."""
    times_s = [record.timestamp / 1000 for record in records]
    verdicts = dict(read_verdict(record.value) for record in records)
    return Run(times_s[-1] - began_s, verdicts, cpu_s, compute_steady_rate(times_s, ends=ends))


def read_verdict(value: bytes) -> tuple[str, str]:
    """Return the key of the image and the verdict of the last answer; calibration is no part of the comparison."""
    verdict = json.loads(value)
    return verdict["image"]["key"], (verdict["check"] or verdict["scan"])["verdict"]


def compute_agreement(first: Run, second: Run) -> float:
    """Return the share of images with equal verdicts, among those that either run has judged."""
    images = first.verdicts.keys() | second.verdicts.keys()
    return sum(first.verdicts.get(image) == second.verdicts.get(image) for image in images) / len(images)


def draw_arrivals(count: int, *, per_s: float, seed: int) -> list[float]:
    """Draw the times of a Poisson process, in seconds from its start."""
    rng = random.Random(seed)
    return list(accumulate(rng.expovariate(per_s) for _ in range(count)))


def compute_percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
