"""The reasons why a revision of a registry may not serve."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from pipeline.errors import BadSettings, CacheFull, ImageMissing


class Refusal(StrEnum):
    """The label `reason` of `zoomin_model_refused_total`."""

    MANIFEST = "manifest"
    """the revision or its manifest is missing or cannot be read"""
    FILES = "files"
    """a file is missing or differs from its digest"""
    CARD = "card"
    """the card cannot be followed, or the files are those of another revision"""
    CAPACITY = "capacity"
    """the views and crops of its card do not fit the settings"""
    LOAD = "load"
    """the engine does not start on it, or does not load its weights"""
    SMOKE = "smoke"
    """it answers a smoke question otherwise than its manifest says"""


class ModelRefused(BadSettings):
    """A revision of a registry may not serve; the detail names what is wrong with it."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@contextmanager
def refuse_for(reason: Refusal) -> Iterator[None]:
    """Turn what says that the revision is at fault into ModelRefused; an outage of the store and a full cache pass."""
    try:
        yield
    except (ModelRefused, CacheFull):
        raise
    except (BadSettings, ImageMissing) as error:
        raise ModelRefused(reason, error.detail) from error
