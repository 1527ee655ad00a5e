"""The set that a night trains on: a snapshot of the labels, on this machine."""

import time
from dataclasses import dataclass
from pathlib import Path

from training.labeling.bucket import SCHEME, LabelingBucket
from training.retraining.config import NightConfig
from training.settings import TrainSettings
from training.snapshot.fetch import fetch_snapshot
from training.snapshot.place import SUMMARY, SnapshotPlace
from training.snapshot.snapshot import SnapshotPlan, make_snapshot

SETS = "sets"
"""folder of the nights' directory for snapshots that are fetched from a bucket"""


@dataclass(frozen=True, slots=True)
class LabeledSet:
    """A snapshot by its digest, and the seconds that it took to make."""

    digest: str
    seconds: float


def make_set(bucket: LabelingBucket, place: SnapshotPlace, config: NightConfig, settings: TrainSettings) -> LabeledSet:
    """Make a snapshot of the labels so far. Raises: what `make_snapshot` raises."""
    began = time.monotonic()
    section = config.snapshot
    plan = SnapshotPlan(config.base, section.base_share, section.golden_fraction, None, section.least)
    made = make_snapshot(bucket, place, plan, settings.cache_directory)
    return LabeledSet(made.summary.digest, time.monotonic() - began)


def locate_set(config: NightConfig, digest: str) -> Path:
    """Return the directory of a snapshot on this machine."""
    place = config.work / SETS if config.snapshots.startswith(SCHEME) else Path(config.snapshots)
    return place / digest


def bring_set(place: SnapshotPlace, config: NightConfig, digest: str) -> Path:
    """Return the directory of a snapshot, fetched if it lies in a bucket. Raises: what `fetch_snapshot` raises."""
    directory = locate_set(config, digest)
    if not (directory / SUMMARY).is_file():
        directory.parent.mkdir(parents=True, exist_ok=True)
        fetch_snapshot(place, digest, directory.parent)
    return directory
