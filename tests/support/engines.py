"""Stand-in engines without a model: they answer by the grammar, from a digest of the pixels."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from pipeline import prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead, InferenceTimeout
from pipeline.verdict import Verdict
from pipeline.vllm.reloading import find_reload_obstacle

Script = Mapping[str, Mapping[str, Answer]]
"""the answers to `scan` and `check` by the digest of the view that the model sees"""


class DigestEngine:
    """An engine that answers at once: from `script` if it names the image, else from the first byte of the digest.

    With a `checkpoint`, each answer says which revision gave it. `before` runs ahead of each answer, to wait, raise or
    count; `close` takes `close_s`. `reload` raises the next of `reload_errors`; it is not possible where there is an
    `obstacle`, or for the reasons of vLLM where there is a checkpoint.
    """

    version = "stand-in 1"

    def __init__(
        self,
        card: CheckpointCard | None = None,
        *,
        before: Callable[[Query], Awaitable[None]] | None = None,
        script: Script | None = None,
        close_s: float = 0.0,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.card = card or (checkpoint.card if checkpoint else CheckpointCard())
        self.checkpoint = checkpoint
        self.query_count = 0
        self.closed = False
        self.dead = False
        self._before = before
        self._script = script or {}
        self._close_s = close_s
        self.obstacle: str | None = None
        self.reload_errors: list[Exception] = []
        self.reloaded: list[Checkpoint] = []

    def find_reload_obstacle(self, checkpoint: Checkpoint) -> str | None:
        return find_reload_obstacle(self.checkpoint, checkpoint) if self.checkpoint else self.obstacle

    async def reload(self, checkpoint: Checkpoint) -> None:
        self.reloaded.append(checkpoint)
        if self.reload_errors:
            raise self.reload_errors.pop(0)
        self.card = checkpoint.card
        self.checkpoint = self.checkpoint and checkpoint

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        if self.closed:
            raise EngineDead("it was closed")
        self.query_count += 1
        if self._before is not None:
            await self._before(query)
        digest = query.images[0].sha256
        query_name = "scan" if query.grammar == prompts.SCAN_GRAMMAR else "check"
        scripted = self._script.get(digest, {}).get(query_name)
        if scripted is not None:
            return scripted
        byte = int(digest[:2], 16)
        verdict = Verdict.GENERATED if byte >= 128 else Verdict.REAL
        judge = f" So says {self.checkpoint.revision}." if self.checkpoint else ""
        explanation = f"The first byte is {byte}.{judge}"
        if query_name == "scan":
            text = prompts.render_scan(verdict, [(28, 28, 112, 112), (120, 40, 200, 140)], explanation)
        else:
            text = prompts.render_check(verdict, explanation)
        return Answer(text, byte / 255)

    async def close(self) -> None:
        self.closed = self.dead = True
        await asyncio.sleep(self._close_s)


class FullEngineDeath:
    """Ends the engine when so many queries are in it, and answers none before."""

    def __init__(self, queries: int) -> None:
        self._queries = queries
        self._inside = 0
        self._died = asyncio.Event()

    async def __call__(self, _query: Query) -> None:
        self._inside += 1
        if self._inside == self._queries:
            self._died.set()
        await self._died.wait()
        raise EngineDead(f"it was killed with {self._queries} queries in it")


class EngineFaults:
    """Faults of an engine for some images, named by the digests of their views.

    A `deadly` image ends the engine for every query in it and every later one; an `endless` one gets no answer.
    """

    def __init__(
        self, *, deadly: Collection[str] = (), endless: Collection[str] = (), takes_s: float, timeout_s: float
    ) -> None:
        self._deadly = deadly
        self._endless = endless
        self._takes_s = takes_s
        self._timeout_s = timeout_s
        self._died = asyncio.Event()

    async def __call__(self, query: Query) -> None:
        digest = query.images[0].sha256
        if digest in self._deadly:
            self._died.set()
            await asyncio.sleep(0)  # as in vLLM, earlier queries fail first
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s if digest in self._endless else self._takes_s):
                await self._died.wait()
        if self._died.is_set():
            raise EngineDead("a picture ended it")
        if digest in self._endless:
            raise InferenceTimeout(f"no answer within {self._timeout_s:g} s")


class Pace:
    """The pace of a GPU as the worker sees it: at most `images_per_s`, two queries an image, without CPU load.

    With `concurrency` or more queries in flight, one ends every 1 / (2 * images_per_s) seconds; a single query takes
    `concurrency` times that. The times are absolute: a late wake-up of one query does not delay the others.
    """

    def __init__(
        self,
        images_per_s: float,
        concurrency: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._apart_s = 1 / (2 * images_per_s)
        self._busy_s = concurrency * self._apart_s
        self._last_ends = -math.inf
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, _query: Query) -> None:
        now = self._clock()
        self._last_ends = max(self._last_ends + self._apart_s, now + self._busy_s)
        await self._sleep(self._last_ends - now)
