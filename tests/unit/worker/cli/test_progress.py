import io

import pytest
from rich.console import Console

from worker.cli.progress import ProgressDisplay


@pytest.fixture
def printed():
    return io.StringIO()


def test_elsewhere_than_on_a_terminal_a_line_comes_now_and_then(printed):
    now_s = 0.0
    lines = []
    console = Console(file=printed, force_terminal=False)
    with ProgressDisplay(console, lines.append, interval_s=10, total=3, clock=lambda: now_s) as progress:
        for completed in range(4):
            now_s = 6.0 * completed
            progress.update(f"{completed} of 3 done", completed=completed)
    assert lines == ["2 of 3 done"]
    assert printed.getvalue() == ""


@pytest.mark.parametrize("total", [None, 3])
def test_on_a_terminal_the_state_stands_below_and_nothing_is_notified(printed, total):
    lines = []
    console = Console(file=printed, force_terminal=True, width=80)
    with ProgressDisplay(console, lines.append, interval_s=0, total=total) as progress:
        progress.update("2 of 3 done", completed=2)
        console.print("a line above")
    assert lines == []
    assert "2 of 3 done" in printed.getvalue()
    assert "a line above" in printed.getvalue()


def test_a_description_cannot_paint_the_terminal(printed):
    console = Console(file=printed, force_terminal=True, width=200, color_system=None)
    with ProgressDisplay(console, print, interval_s=0) as progress:
        progress.update("at \x1b[2J[red]key[/red]{task.total}")
    assert "\x1b[2J" not in printed.getvalue()
    assert "at \\x1b[2J[red]key[/red]{task.total}" in printed.getvalue()
