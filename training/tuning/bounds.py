"""Bounds that every profile's values share."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any


def out_of_bounds(profile: Any) -> Iterator[str]:
    """One sentence for each value that no run can work with; fields that end in _fraction are shares."""
    for entry in dataclasses.fields(profile):
        value = getattr(profile, entry.name)
        if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
            yield f"{entry.name} is {value}; it must be 0 or more"
        if type(value) is int and value < 1:
            yield f"{entry.name} is {value}; it must be 1 or more"
        if entry.name.endswith("_fraction") and value > 1:
            yield f"{entry.name} is {value}; it is a share, at most 1"
