"""The orders to a bare engine and its results, one line of JSON each way."""

from dataclasses import dataclass

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
class PlainJob:
    """Be a plain consumer of these Kafka topics and this S3 until `count` events are answered."""

    count: int
    bootstrap_servers: str
    group_id: str
    input_topic: str
    verdict_topic: str
    endpoint_url: str
    access_key: str
    secret_key: str


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
