"""The only reader of the environment in `training`: machine and places; what a run does is on its command line."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipeline.checkpoint import BoxFrame
from pipeline.errors import BadSettings
from pipeline.vllm.runtime import build_process_environment

PREFIX = "ZOOMIN_TRAIN_"


def _pair(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


class TrainSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True, env_ignore_empty=True
    )
    cache: Path = Path("~/.cache/zoomin")
    """directory for scenes and unfinished runs; may be deleted at any time"""
    threads: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """processor threads that training and evaluation use on this machine, shared out among its processes"""
    workers: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """processes that draw scenes"""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 32
    """images that an evaluation or a build has in flight at once"""
    tensor_parallel_size: Annotated[int, Field(ge=1, le=64)] = 1
    """GPUs that share the model of an evaluation; must divide its attention heads"""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """share of each GPU's memory that an evaluation's engine may take"""
    max_model_len: Annotated[int, Field(ge=256, le=131072)] = 4096
    """tokens of an evaluation's longest query with its answer; less leaves more memory for queries at once"""
    max_num_seqs: Annotated[int, Field(ge=1, le=1024)] | None = None
    """queries that an evaluation's engine computes at once; empty for as many as concurrency"""
    explain_url: str = ""
    """OpenAI-compatible endpoint that explains images whose label it is told (https://host/v1)"""
    explain_key: SecretStr = SecretStr("")
    """its API key; empty where it wants none"""
    explain_model: str = ""
    """the model's name there; the paper takes GPT-4o"""
    explain_usd_per_million: Annotated[tuple[float, float], NoDecode, BeforeValidator(_pair)] = (0.0, 0.0)
    """price of a million prompt tokens and of a million answer tokens there: 2.50,10"""
    ground_url: str = ""
    """OpenAI-compatible endpoint that turns explanations into boxes, and says which boxes hold the primary object"""
    ground_key: SecretStr = SecretStr("")
    """its API key; empty where it wants none"""
    ground_model: str = ""
    """the model's name there; the paper takes Qwen2.5-VL"""
    ground_usd_per_million: Annotated[tuple[float, float], NoDecode, BeforeValidator(_pair)] = (0.0, 0.0)
    """price of a million prompt tokens and of a million answer tokens there"""
    ground_box_frame: BoxFrame = "pixels"
    """how that model counts in boxes: pixels of the picture it is sent (Qwen2.5-VL), or thousand for thousandths"""
    s3_endpoint_url: str | None = None
    """S3 of labels, snapshots and models; empty for AWS (credentials come by boto3's own chain, AWS_*)"""
    s3_region: str = "us-east-1"
    """its region"""
    revisions_bytes: Annotated[int, Field(ge=1)] = 200_000_000_000
    """bytes of model revisions that the cache holds at most"""
    labels_url: str = ""
    """Label Studio's address (https://labels.example.org); `zoomin-train labels` sends cases there"""
    labels_token: SecretStr = SecretStr("")
    """a personal access token of Label Studio, or a legacy token of 40 hexadecimal digits"""
    labels_project: Annotated[str, Field(min_length=3, max_length=50)] = "ZoomIn"
    """title of the project there; it is created if there is none"""
    labels_double_fraction: Annotated[float, Field(ge=0, le=1)] = 0.1
    """share of cases that two annotators label, for their agreement"""
    labels_salt: SecretStr = SecretStr("zoomin")
    """secret by which those cases are drawn"""
    labels_s3_access_key: str = ""
    """S3 key by which Label Studio reads the images; should read images/ alone (default: the AWS_* of the process)"""
    labels_s3_secret_key: SecretStr = SecretStr("")
    """its secret"""
    labels_timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    """how long Label Studio may take for one answer"""
    endpoint_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """how long an endpoint may take for one answer"""
    endpoint_attempts: Annotated[int, Field(ge=1, le=20)] = 6
    """how often an endpoint is asked for one answer while it times out, refuses or fails"""

    @property
    def cache_directory(self) -> Path:
        return self.cache.expanduser()

    @property
    def answers_directory(self) -> Path:
        """Where commands keep the answers of models unless they have a place of their own."""
        return self.cache_directory / "answers"


def load() -> TrainSettings:
    """Read the settings from the environment. Raises: BadSettings with every bad name and field in one message."""
    known = sorted(field.upper() for field in TrainSettings.model_fields)
    names = sorted(name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX))
    problems = [f"{PREFIX}{name} is not a setting; {_suggest(name, known)}" for name in names if name not in known]
    try:
        settings = TrainSettings()
    except ValidationError as error:
        problems += [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
    if problems:
        raise BadSettings("; ".join(problems))
    return settings


def apply_process_environment(threads: int) -> None:
    os.environ.update(build_process_environment(threads, os.environ))


def _suggest(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known, n=1, cutoff=0.8)
    return f"did you mean {PREFIX}{matches[0]}?" if matches else f"there are {', '.join(PREFIX + n for n in known)}"
