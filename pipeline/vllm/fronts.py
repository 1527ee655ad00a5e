"""Asks vLLM's core through several fronts: processes that feed it, each with an interpreter of its own.

Invariant: the engine lives as a whole. When the core or one front ends, every query of all fronts fails with
EngineDead, and `shutdown` ends all of them.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, Self

from pipeline.checkpoint import Checkpoint
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead
from pipeline.vllm.core_process import start_core
from pipeline.vllm.front import Front, FrontProcess, start_front
from pipeline.vllm.front_metrics import FrontMetrics
from pipeline.vllm.options import EngineOptions

CHECK_INTERVAL_S = 5.0
CHECK_TIMEOUT_S = 60.0
"""then a front that does not answer is dead: the answers of the other fronts would hide that it hangs"""


class Core(Protocol):
    """What `Fronts` needs of the core: the processes whose end is the end of the engine."""

    @property
    def processes(self) -> Sequence[BaseProcess]: ...


class Fronts:
    """A client of the core; both queries of an image go through the same front, whose processor cache holds the view.

    At most `max_in_flight` queries are sent at once, and others wait. `resources` ends all processes when closed.
    """

    def __init__(
        self,
        core: Core,
        processes: Sequence[FrontProcess],
        resources: ExitStack,
        *,
        max_in_flight: int,
        check_interval_s: float = CHECK_INTERVAL_S,
        check_timeout_s: float = CHECK_TIMEOUT_S,
    ) -> None:
        self._core = core
        self._processes = processes
        self._resources = resources
        self._check_interval_s = check_interval_s
        self._check_timeout_s = check_timeout_s
        self._fronts: list[Front] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._death = ""
        self._rotation = itertools.cycle(range(len(processes)))
        self._front_by_view: OrderedDict[str, int] = OrderedDict()
        self._remembered_views = 2 * max_in_flight
        self._slots = asyncio.Semaphore(max_in_flight)

    @classmethod
    def start(cls, checkpoint: Checkpoint, options: EngineOptions, *, max_model_len: int) -> Self:
        """Start the core and its fronts; it blocks until the core is ready."""
        from pipeline.vllm.front_process import run_front  # here: a stand-in for it shall not pay for transformers

        with ExitStack() as stack:
            metrics = FrontMetrics()
            stack.callback(metrics.close)
            processes = []
            with start_core(checkpoint, options, max_model_len=max_model_len) as core:
                stack.callback(core.shutdown)
                for place in core.places:
                    with metrics.set_directory():
                        front = start_front(run_front, checkpoint, options, place)
                    stack.callback(front.end)
                    core.watch(front.process)
                    processes.append(front)
            return cls(core, processes, stack.pop_all(), max_in_flight=options.max_in_flight)

    @property
    def dead(self) -> bool:
        """True at once when the core or a front has ended, also while nobody asks."""
        return bool(self._death)

    async def connect(self) -> None:
        """Connect to all fronts and watch them. Raises: EngineDead if one ends before it is ready."""
        loop = asyncio.get_running_loop()
        for core in self._core.processes:
            loop.add_reader(core.sentinel, self._die, "the engine's core process died")
        for process in self._processes:
            self._fronts.append(await Front.open(process.connection))
        await asyncio.gather(*(front.await_ready() for front in self._fronts))
        for front in self._fronts:
            self._watchers += [loop.create_task(self._read(front)), loop.create_task(self._check(front))]

    async def ask(self, query: Query, temperature: float) -> Answer:
        """Ask the model one query; cancelling the call frees the engine's request.

        Raises: GenerationFailed, EngineDead.
        """
        async with self._slots:
            if self._death:
                raise EngineDead(self._death)
            answer = await self._choose_front(query.images[0].sha256).call("ask", query, temperature)
        assert answer is not None
        return answer

    async def sleep(self) -> None:
        await self._fronts[0].call("sleep")

    async def wake_up(self) -> None:
        await self._fronts[0].call("wake_up")

    async def reload_weights(self, path: Path) -> None:
        """Serve other weights; what the processor caches of the fronts hold does not depend on them."""
        await self._fronts[0].call("reload_weights", path)

    async def stop(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._die("the engine was closed")

    def shutdown(self) -> None:
        """End the fronts and the core, and wait until they are gone."""
        self._resources.close()

    def _choose_front(self, view: str) -> Front:
        index = self._front_by_view.pop(view, None)
        if index is None:
            index = next(self._rotation)
        self._front_by_view[view] = index
        if len(self._front_by_view) > self._remembered_views:
            self._front_by_view.popitem(last=False)
        return self._fronts[index]

    async def _read(self, front: Front) -> None:
        await front.read_results()
        self._die("the process of a front died")

    async def _check(self, front: Front) -> None:
        try:
            while True:
                await asyncio.sleep(self._check_interval_s)
                async with asyncio.timeout(self._check_timeout_s):
                    await front.call("check")
        except TimeoutError:
            self._die(f"a front did not answer within {self._check_timeout_s:g} s")
        except EngineDead as error:
            self._die(error.detail)

    def _die(self, detail: str) -> None:
        """Let all queries fail; the processes that are left end with `shutdown`."""
        self._death = self._death or detail
        for core in self._core.processes:
            asyncio.get_running_loop().remove_reader(core.sentinel)
        for front in self._fronts:
            front.fail(self._death)
