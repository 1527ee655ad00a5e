import io

from training.common.progress import Progress, format_duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_time_left_follows_the_pace() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = Progress("scenes", 10, stream=stream, clock=lambda: now[0])
    progress.show(0)
    now[0] = 30
    progress.show(2)
    assert stream.getvalue().splitlines() == ["scenes:   0%, time left unknown yet", "scenes:  20%, 2 min 00 s left"]


def test_what_an_earlier_run_did_sets_no_pace() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = Progress("scenes", 10, stream=stream, clock=lambda: now[0])
    progress.show(8)
    now[0] = 30
    progress.show(9)
    assert "30 s left" in stream.getvalue()


def test_a_log_gets_few_lines_and_always_the_last() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = Progress("steps", 100, stream=stream, clock=lambda: now[0], log_every_s=20)
    for step in range(101):
        now[0] = step / 10
        progress.show(step, f"step {step}")
    assert stream.getvalue().splitlines() == [
        "steps:   0%, time left unknown yet, step 0",
        "steps: 100%, took 10 s, step 100",
    ]


def test_a_terminal_s_line_is_rewritten() -> None:
    stream = Terminal()
    Progress("scenes", 2, stream=stream, clock=lambda: 0.0).show(2)
    assert stream.getvalue() == "\r\x1b[Kscenes: 100%, took 0 s\n"


def test_spell() -> None:
    assert [format_duration(s) for s in (0.4, 59, 60, 185)] == ["0 s", "59 s", "1 min 00 s", "3 min 05 s"]
