"""The latency of one image with one and with two queries, one image at a time: the paper's table 4."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.engine import VisionEngine
from pipeline.errors import TransientError
from pipeline.local_image import LocalImage
from pipeline.zoomin import inspect
from training.evaluation.samples import Sample


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds per image, one image after the other, each new to the engine."""

    one_query: Sequence[float]
    two_queries: Sequence[float]


async def measure_latency(
    samples: Sequence[Sample], engine: VisionEngine, *, clock: Callable[[], float] = time.perf_counter
) -> Latencies:
    """Measure images that the engine has not seen, as its caches would answer at once. An unreadable scan is left out.

    Raises: EngineDead.
    """
    one_query: list[float] = []
    two_queries: list[float] = []
    for sample in samples:
        began = clock()
        scan_s: list[float] = []

        @contextmanager
        def observe_stage(stage: str, scan_s: list[float] = scan_s, began: float = began) -> Iterator[None]:
            if stage == "check":
                scan_s.append(clock() - began)
            yield

        try:
            await inspect(LocalImage(sample.image), engine, stage=observe_stage)
        except TransientError:
            continue
        one_query += scan_s
        two_queries.append(clock() - began)
    return Latencies(one_query, two_queries)
