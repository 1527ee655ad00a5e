"""Progress of a long command: a live line on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from worker.cli.terminal import escape_unprintable


class ProgressDisplay:
    """Shows the state of a command below the lines that it prints.

    `total` is the number of steps, None if it is unknown. Where `console` is no terminal, `notify` gets the description
    every `interval_s` instead.
    """

    def __init__(
        self,
        console: Console,
        notify: Callable[[str], None],
        *,
        interval_s: float,
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        description = TextColumn(
            "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
        )
        columns = [description] if total is None else [description, BarColumn()]
        self._progress = Progress(
            SpinnerColumn(),
            *columns,
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total)
        self._notify = notify
        self._interval_s = interval_s
        self._clock = clock
        self._notified_at = clock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, description: str, *, completed: int = 0) -> None:
        """Show the current state; unprintable characters of the description are escaped."""
        description = escape_unprintable(description)
        if not self._progress.disable:
            self._progress.update(self._task, description=description, completed=completed)
        elif self._clock() - self._notified_at > self._interval_s:
            self._notified_at = self._clock()
            self._notify(description)
