"""Stand-in engines: they answer in the model's own words, from a digest of the pixels, without a model."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from pipeline import images, prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead, InferenceTimeout
from pipeline.verdict import Verdict

Script = Mapping[str, Mapping[str, Answer]]
"""by the digest of what the model sees of an image, its answers to `scan` and `check`"""


class DigestEngine:
    """Answers at once, as `script` has it where that names the image.

    `before` runs ahead of each answer: to wait, to raise, to count.
    """

    version = "stand-in 1"

    def __init__(
        self,
        card: CheckpointCard | None = None,
        *,
        before: Callable[[Query], Awaitable[None]] | None = None,
        script: Script | None = None,
    ) -> None:
        self.card = card or CheckpointCard()
        self.query_count = 0
        self.closed = False
        self._before = before
        self._script = script or {}

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        if self.closed:
            raise EngineDead("it was closed")
        self.query_count += 1
        if self._before is not None:
            await self._before(query)
        digest = images.digest_pixels(query.images[0])
        asked = "scan" if query.grammar == prompts.SCAN_GRAMMAR else "check"
        scripted = self._script.get(digest, {}).get(asked)
        if scripted is not None:
            return scripted
        byte = int(digest[:2], 16)
        verdict = Verdict.GENERATED if byte >= 128 else Verdict.REAL
        explanation = f"The first byte is {byte}."
        if asked == "scan":
            text = prompts.render_scan(verdict, [(28, 28, 112, 112), (120, 40, 200, 140)], explanation)
        else:
            text = prompts.render_check(verdict, explanation)
        return Answer(text, byte / 255)

    async def close(self) -> None:
        self.closed = True


class EngineFaults:
    """What some pictures, named by their views' digests, do to the one engine that is asked about them.

    A deadly one ends it, and with it whoever is inside or asks later; an endless one never gets its answer.
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
        digest = images.digest_pixels(query.images[0])
        if digest in self._deadly:
            self._died.set()
            await asyncio.sleep(0)  # as in vLLM whoever was asked earlier hears of it earlier
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s if digest in self._endless else self._takes_s):
                await self._died.wait()
        if self._died.is_set():
            raise EngineDead("a picture ended it")
        if digest in self._endless:
            raise InferenceTimeout(f"no answer within {self._timeout_s:g} s")


class Pace:
    """At most `images_per_s`, two queries an image, without using the processor: a GPU seen from the worker.

    With `concurrency` queries or more inside, one ends every 1 / (2 * images_per_s) seconds; alone, one takes
    `concurrency` times that. What waits inside goes on whether or not we have noticed that another ended.
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
