"""The orders to child processes and their results, one line of JSON each way."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TextIO

MAX_PIXELS = 1_000_000
"""of a picture that is decoded"""
READY = json.dumps("ready")
"""the first line of a child"""
SEQUENCES = 16
"""queries that every engine of a run works on at once (max_num_seqs)"""


@dataclass(frozen=True, slots=True)
class Job:
    """Judge `count` pictures from number `first` on, `concurrency` images at a time, with Query 1 alone or both."""

    first: int
    count: int
    concurrency: int
    queries: int = 2


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """Evaluate `images` scenes from number `first_scene` on, `concurrency` at once, and ask the same without it."""

    first_scene: int
    images: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a consumer works: topics of Kafka and an S3."""

    bootstrap_servers: str
    group_id: str
    input_topic: str
    verdict_topic: str
    endpoint_url: str
    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class PlainJob:
    """Be a plain consumer there until `count` events are answered."""

    count: int
    place: Place

    @classmethod
    def parse(cls, job: Mapping[str, Any]) -> Self:
        return cls(job["count"], Place(**job["place"]))


@dataclass(frozen=True, slots=True)
class ClientJob:
    """Consume there until you are ended, `concurrency` images at a time, with an OpenAI server as engine."""

    server_url: str
    model: str
    concurrency: int
    place: Place

    @classmethod
    def parse(cls, job: Mapping[str, Any]) -> Self:
        return cls(**{**job, "place": Place(**job["place"])})


@dataclass(frozen=True, slots=True)
class BatchJob:
    """Judge these files."""

    files: list[str]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Of a BatchJob: from the first read to the last verdict; the verdicts are in the order of the files."""

    seconds: float
    verdicts: list[str]


@dataclass(frozen=True, slots=True)
class Result:
    """Of a Job: all times in seconds from its start; token counts are sums over all queries.

    `exact` counts images whose Query 2 reused every whole block of the shared prefix and not a token else.
    """

    seconds: float
    finished_s: list[float]
    scan_s: float
    encoder_runs: int
    crops: int
    exact: int
    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """Of an EvaluationJob: images/s of either way of asking, each of them twice; `queries` are those of one time."""

    evaluated_per_s: list[float]
    asked_per_s: list[float]
    queries: int


def open_answers() -> TextIO:
    """Open the stream for the answers of this child; prints of libraries go to its log from now on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers
