"""How long one image takes with one and with two queries, one image at a time: the paper's table 4."""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.engine import VisionEngine
from pipeline.errors import TransientError
from pipeline.zoomin import inspect
from training.evaluation.samples import Sample
from training.paper.tables import Seconds


async def measure(
    samples: Sequence[Sample], engine: VisionEngine, *, clock: Callable[[], float] = time.perf_counter
) -> Seconds:
    """Of images that the engine has not seen: what its caches hold costs nothing. An unreadable scan is left out.

    Raises: EngineDead.
    """
    one: list[float] = []
    two: list[float] = []
    for sample in samples:
        began = clock()
        scanned: list[float] = []

        @contextmanager
        def noted(stage: str, scanned: list[float] = scanned, began: float = began) -> Iterator[None]:
            if stage == "check":
                scanned.append(clock() - began)
            yield

        try:
            await inspect(sample.image, engine, stage=noted)
        except TransientError:
            continue
        one += scanned
        two.append(clock() - began)
    return Seconds(one, two)


def machine(threads: int) -> str:
    """The processor's name and how many threads were used."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {threads} threads"
