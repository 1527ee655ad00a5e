"""A worker process with the real loop, Kafka and S3; only the engine is a stand-in.

python -m tests.support.processes.standin_worker --images-per-s 30 --concurrency 32 --front-cpu-ms 20 --fronts 2
python -m tests.support.processes.standin_worker --delay-s 0.1 --failure-fraction 0.02 --seed 1
python -m tests.support.processes.standin_worker --delay-s 0.1 --start-s 2 --deadly DIGEST --endless DIGEST    of views
python -m tests.support.processes.standin_worker --script answers.json    {digest of a view: {"scan": {"text": "..."}}}
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from pipeline.engine import Answer, Query
from pipeline.errors import BadSettings, GenerationFailed, ZoomInError
from tests.support.engines import DigestEngine, EngineFaults, FullEngineDeath, Script
from tests.support.standin_fronts import FrontedStandin, PacedFront, PacedTarget
from worker import app
from worker.common import settings
from worker.observe.log_output import configure_logging

LOADING = "standin_loading"
"""the line of the log with which a stand-in begins to load a revision"""


class SlowlyLoaded(DigestEngine):
    """Takes `load_s` for another revision, which answers from the middle of it on."""

    load_s = 0.0

    async def reload(self, checkpoint: Checkpoint) -> None:
        report_loading(checkpoint)
        await asyncio.sleep(self.load_s / 2)
        await super().reload(checkpoint)
        await asyncio.sleep(self.load_s / 2)


def report_loading(checkpoint: Checkpoint) -> None:
    print(json.dumps({"event": LOADING, "revision": checkpoint.revision}), flush=True)


class RandomFailures:
    """Delays each answer by chance, `delay_s` on average, and fails a fraction of them."""

    def __init__(self, delay_s: float, failure_fraction: float, seed: int) -> None:
        self._delay_s = delay_s
        self._failure_fraction = failure_fraction
        self._rng = random.Random(seed)

    async def __call__(self, _query: Query) -> None:
        await asyncio.sleep(self._rng.uniform(0, 2 * self._delay_s))
        if self._rng.random() < self._failure_fraction:
            raise GenerationFailed("the stand-in engine had a bad moment")


def main() -> int:
    options = _parse_options()
    try:
        loaded = settings.load_settings()
        configure_logging(loaded.telemetry)
        script = read_script(options.script) if options.script else None

        starts = itertools.count()

        async def start(checkpoint: Checkpoint) -> DigestEngine:
            report_loading(checkpoint)
            await asyncio.sleep(options.start_s)
            if options.fronts > 1:
                return await _start_fronts(options, checkpoint, loaded.flow.max_in_flight)
            before = _build_before(options, loaded.engine.query_timeout_s, is_first=next(starts) == 0)
            engine = SlowlyLoaded(before=before, script=script, close_s=options.close_s, checkpoint=checkpoint)
            engine.load_s = options.start_s
            return engine

        asyncio.run(app.run_worker(loaded, start_engine=start))
    except ZoomInError as error:
        print(error.detail, file=sys.stderr)
        return 2 if isinstance(error, BadSettings) else 1
    return 0


def read_script(path: Path) -> Script:
    digests = json.loads(path.read_text())
    return {
        digest: {query: Answer(p_generated=0.5, **answer) for query, answer in answers.items()}
        for digest, answers in digests.items()
    }


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images-per-s", type=float, help="unset: at once")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument(
        "--front-cpu-ms", type=float, default=0.0, help="CPU time that the front of a pace uses an image"
    )
    parser.add_argument("--fronts", type=int, default=1, help="processes that feed it; 1: the worker itself")
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--failure-fraction", type=float, default=0.0)
    parser.add_argument(
        "--start-s",
        type=float,
        default=0.0,
        help="what each start of the engine, and each load of another revision, takes",
    )
    parser.add_argument("--close-s", type=float, default=0.0, help="what the end of an engine takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dies-at", type=int, default=0, help="queries with which the first engine dies")
    parser.add_argument("--deadly", action="append", default=[], help="a picture that ends the engine")
    parser.add_argument("--endless", action="append", default=[], help="a picture that never gets its answer")
    parser.add_argument("--script", type=Path, help="what to answer for some images")
    return parser.parse_args()


async def _start_fronts(options: argparse.Namespace, checkpoint: Checkpoint, max_in_flight: int) -> FrontedStandin:
    target = PacedTarget(options.images_per_s, options.concurrency, options.front_cpu_ms)
    engine = FrontedStandin(checkpoint, target, options.fronts, max_in_flight=max_in_flight)
    await engine.connect()
    return engine


def _build_before(
    options: argparse.Namespace, timeout_s: float, *, is_first: bool
) -> Callable[[Query], Awaitable[None]] | None:
    if options.dies_at and is_first:
        return FullEngineDeath(options.dies_at)
    if options.deadly or options.endless:
        return EngineFaults(
            deadly=options.deadly, endless=options.endless, takes_s=options.delay_s, timeout_s=timeout_s
        )
    if options.images_per_s:
        return PacedFront(options.images_per_s, options.concurrency, options.front_cpu_ms)
    if options.delay_s or options.failure_fraction:
        return RandomFailures(options.delay_s, options.failure_fraction, options.seed)
    return None


if __name__ == "__main__":
    sys.exit(main())
