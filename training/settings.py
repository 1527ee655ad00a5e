"""The only reader of the environment in `training`: machine and places; what a run does is on its command line."""

import importlib.metadata
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import BadSettings

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
    """What OpenMP, vLLM and the hub client read from the environment, set before they are imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_CONFIGURE_LOGGING", "0")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # A thread that waits by spinning takes the core from a neighbour that it waits for: ten times slower when busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if _is_cpu_build():
        # The CPU build then runs the model in the engine's core process itself, not in a second child.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")


def _is_cpu_build() -> bool:
    try:
        importlib.metadata.version("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
