"""The first way to run a training step that fits the GPUs: as it is asked for, or with as few changes as possible."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import BadSettings
from training.common.machine import Gpus
from training.dry_run.launch import Launch
from training.dry_run.step_memory import RunMemory

Changes = Mapping[str, Any]
Estimate = Callable[[Changes, Launch], RunMemory]
"""the memory of a step with changed values; raises BadSettings for values that cannot work together"""
AS_ASKED: Changes = {}


@dataclass(frozen=True, slots=True)
class Fit:
    """One way to run a step: the values that it changes, its launch, and its memory."""

    changes: Changes
    launch: Launch
    memory: RunMemory

    def fits(self, gpus: Gpus) -> bool:
        return self.memory.fits(gpus)


def try_launches(estimate: Estimate, changes: Changes, launches: Iterable[Launch]) -> list[Fit]:
    """Return every way that can be started, whether it fits or not.

    Raises: BadSettings when none can be started.
    """
    found, error = [], None
    for launch in launches:
        try:
            found.append(Fit(changes, launch, estimate(changes, launch)))
        except BadSettings as refused:
            error = refused
    if not found and error:
        raise error
    return found


def choose_fit(ways: Iterable[Fit], gpus: Gpus) -> Fit:
    """Return the first way that fits, else the one that comes closest."""
    listed = list(ways)
    fitting = [way for way in listed if way.fits(gpus)]
    return fitting[0] if fitting else min(listed, key=lambda way: way.memory.gpu.peak_bytes)


def find_fit(estimate: Estimate, all_changes: Iterable[Changes], launches: Sequence[Launch], gpus: Gpus) -> Fit | None:
    """Return the first of the changes that makes the step fit in one of the launches; None where none does."""
    for changes in all_changes:
        try:
            way = choose_fit(try_launches(estimate, changes, launches), gpus)
        except BadSettings:  # values that cannot work together here
            continue
        if way.fits(gpus):
            return way
    return None
