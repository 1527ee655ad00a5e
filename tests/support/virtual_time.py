"""An event loop whose time jumps to the next timer whenever nothing else can run: minutes pass in milliseconds."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run_in_virtual_time(program: Coroutine[None, None, Result]) -> Result:
    """Run the program, which may use neither threads nor other processes, and return its result."""
    with asyncio.Runner(loop_factory=_VirtualTimeLoop) as runner:
        return runner.run(program)


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now

    def jump(self, by_s: float) -> None:
        self._now += by_s


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: _VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("no timer is set and nothing can run: the program waits for ever")
        self._loop.jump(timeout)
        return super().select(0)
