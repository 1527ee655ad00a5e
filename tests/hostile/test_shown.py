"""Untrusted input in keys, ids, sources, attributes and explanations does nothing where users read it."""

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from pipeline.evidence.card import draw_evidence_card
from pipeline.evidence.file_name import build_file_name
from pipeline.verdict import Verdict
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from tests.hostile.addresses import Ground
from tests.hostile.answers import QUOTES, TAGS
from tests.hostile.corpus import events
from tests.support.verdicts import build_verdict
from worker.cli.dead_letters import DeadLetter, ReplayDecision
from worker.cli.terminal import PIPE_WIDTH, print_verdict, print_verdict_details
from worker.commands import replay, tail
from worker.demo.report import Case, Summary, render_report

LONGEST = 2000
MARKUP = [
    "<svg onload=alert(1)>",
    "' onerror='alert(1)",
    '"><img src=x onerror=alert(1)>',
    "]]>",
    "{% raw %}",
    "&#60;b>",
]
ESCAPES = [
    "\x9b2J",
    "\x7f",
    "\x1b]8;;http://x\x07y",
    "\x1bP+q\x1b\\",
    "[link=http://x]y[/link]",
    "\x08" * 9,
    "\u2066x\u2069",
]
TARGETS = [target for entry in events(Ground()) if isinstance(entry.expected, tuple) for target in entry.expected]
KEYS = [target[1] for target in TARGETS if not isinstance(target, str)]
TEXTS = sorted(
    text for text in {*QUOTES, *TAGS, *KEYS, *MARKUP, *ESCAPES} if len(text) <= LONGEST and text != "\ud800"
)  # which no verdict can hold
EACH = pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:40])
PIXELS = Image.new("RGB", (64, 48), (90, 110, 130))


def said(text: str) -> VerdictEvent:
    """A verdict that says it wherever a stranger may."""
    event = build_verdict(
        bucket=text,
        key=text,
        event_id=text,
        source=text,
        scan_explanation=text,
        check_explanation=text,
        size=PIXELS.size,
        zoomed=[(1, 2, 30, 40)],
    )
    return event.model_copy(update={"attributes": {text: text}})


def letter(text: str) -> DeadLetter:
    headers = {"topic": text, "code": text, "partition": text, "offset": text, "detail": text}
    named = tuple((f"zoomin-dlt-{name}", value.encode()) for name, value in headers.items())
    found = DeadLetter.from_record(RawRecord("dlt", 0, 0, 0, None, b"", (*named, ("zoomin-event-id", text.encode()))))
    assert found is not None
    return found


def screen(*, terminal: bool, width: int = 100_000) -> Console:
    """As worker.cli.terminal.build_console makes one, without colors, whose escapes would be ours."""
    return Console(
        file=StringIO(),
        force_terminal=terminal,
        color_system=None,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
    )


def printed(out: Console) -> list[str]:
    assert isinstance(out.file, StringIO)
    return out.file.getvalue().removesuffix("\n").split("\n")


@EACH
@pytest.mark.parametrize("terminal", [True, False])
def test_tail_prints_two_lines_that_a_terminal_only_shows(text: str, terminal: bool) -> None:
    out = screen(terminal=terminal)
    print_verdict(out, said(text))
    lines = printed(out)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def described(text: str) -> list[str]:
    out = screen(terminal=True)
    print_verdict_details(out, said(text))
    return printed(out)


@EACH
def test_inspect_prints_what_a_terminal_only_shows(text: str) -> None:
    lines = described(text)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == len(described("harmless"))


@EACH
def test_replay_prints_a_line_a_letter(text: str) -> None:
    out = screen(terminal=True, width=PIPE_WIDTH)
    replay._print_decisions(out, [ReplayDecision(letter(text), None)], "sent")
    assert all(line.isprintable() for line in printed(out))
    (line,) = replay._format_json(ReplayDecision(letter(text), None), "sent").splitlines()
    assert json.loads(line)["detail"] == text


@EACH
def test_a_record_that_is_no_verdict_is_passed_over_in_a_line(text: str) -> None:
    errors = screen(terminal=True)
    for value in (text, json.dumps({text: text}), json.dumps(text)):
        assert tail._parse_verdict(RawRecord("verdicts", 0, 0, 0, None, value.encode()), errors) is None
    lines = printed(errors)
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


class Page(HTMLParser):
    """Tags with the names of their attributes; where a page leads; its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str | None] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value for name, value in attrs if name in ("src", "href", "style", "for", "id", "class")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(texts: Sequence[str]) -> Page:
    picture = Image.new("RGB", (4, 3))
    judged = [Case(text, Verdict.REAL, said(text), evidence_card=picture, seconds=1.0) for text in texts]
    lost = [Case(text, Verdict.REAL, None, problem=text) for text in texts]
    html = render_report([*judged, *lost], Summary.from_cases([*judged, *lost], seconds=1.0))
    html.encode()
    return Page(html)


def test_texts_change_no_tag_no_attribute_and_no_link_of_a_report() -> None:
    hostile, harmless = page(TEXTS), page(["harmless"] * len(TEXTS))
    assert hostile.tags == harmless.tags
    assert hostile.links == harmless.links
    assert not [tag for tag, _ in hostile.tags if tag == "script"]
    assert all(text in hostile.text for text in (*TAGS, *MARKUP))


@EACH
def test_an_evidence_card_is_drawn_and_its_file_stays_in_its_directory(text: str, tmp_path: Path) -> None:
    path = tmp_path / f"{build_file_name(text)}.png"
    assert path.resolve().parent == tmp_path.resolve()
    draw_evidence_card(PIXELS, said(text)).save(path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.name.isascii()
    assert path.name.isprintable()
