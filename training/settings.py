"""The only reader of the environment in `training`: machine and places; what a run does is on its command line."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import BadSettings
from pipeline.runtime import process_environment

PREFIX = "ZOOMIN_TRAIN_"


class TrainSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True, env_ignore_empty=True
    )
    cache: Path = Path("~/.cache/zoomin")
    """directory for scenes and unfinished runs; may be deleted at any time"""
    threads: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """processor threads that training and evaluation use"""
    workers: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """processes that draw scenes"""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 32
    """images that an evaluation has in flight at once"""

    @property
    def cache_directory(self) -> Path:
        return self.cache.expanduser()


def load() -> TrainSettings:
    """Raises: BadSettings with every bad name and field in one message."""
    known = {f"{PREFIX}{field}".upper() for field in TrainSettings.model_fields}
    problems = [
        f"{name} is not a setting; there are {', '.join(sorted(known))}"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known
    ]
    try:
        settings = TrainSettings()
    except ValidationError as error:
        problems += [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
    if problems:
        raise BadSettings("; ".join(problems))
    return settings


def apply_process_environment(threads: int) -> None:
    for name, value in process_environment(threads).items():
        os.environ.setdefault(name, value)
