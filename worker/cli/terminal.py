"""What a verdict looks like on a terminal: one line to read in passing, one below it with the evidence."""

from typing import TextIO

from rich.console import Console
from rich.text import Text

from pipeline.verdict import Status, Verdict
from pipeline.wire.messages import VerdictEvent

COLOR = {Verdict.REAL: "green", Verdict.GENERATED: "dark_orange"}
INDENT = " " * 10
HISTORY_WIDTH = 21
PIPE_WIDTH = 240


def console(stream: TextIO | None = None, *, stderr: bool = False) -> Console:
    """Texts of messages are never read as markup, and nothing is recoloured by what it looks like."""
    made = Console(file=stream, stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def visible(text: str) -> str:
    """`text` with everything that a terminal would obey or hide (escapes, line ends, bidi marks) as its code."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in text
    )


def headline(event: VerdictEvent, *, seconds: float | None = None, place: str | None = None) -> Text:
    """Time, verdict, confidence, what the scan had said, regions, latency, and the image's URL.

    `seconds` and `place` stand for the last two where given.
    """
    seconds = _latency_s(event) if seconds is None else seconds
    return Text.assemble(
        (f"{event.decided_at.astimezone():%H:%M:%S}  ", "dim"),
        (f"{event.verdict:<9}", f"bold {COLOR[event.verdict]}"),
        f" {event.confidence:4.0%}  ",
        _history(event),
        f"  {_regions(event):<9}  {seconds:6.2f} s  ",
        (visible(place or _place(event)), "cyan"),
    )


def evidence_line(event: VerdictEvent) -> Text:
    """The boxes that were enlarged and the explanation that decided."""
    boxes = " ".join(f"[{','.join(map(str, region.box))}]" for region in event.scan.regions if region.zoomed)
    explanation = (event.check or event.scan).explanation
    line = Text(INDENT, style="dim")
    line.append(f"{boxes}  " if boxes else "")
    line.append(visible(explanation), style="italic")
    return line


def show(out: Console, event: VerdictEvent) -> None:
    """Cut to the width of a terminal; whole where the output goes elsewhere."""
    for line in (headline(event), evidence_line(event)):
        if out.is_terminal:
            out.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        else:
            out.print(line, soft_wrap=True)


def _history(event: VerdictEvent) -> Text:
    """`real -> generated` where Query 2 corrected Query 1; otherwise what else is odd about the verdict."""
    remarks = [str(event.status)] * (event.status is not Status.COMPLETE) + ["uncertain"] * event.uncertain
    history = Text(", ".join(remarks), "yellow")
    if event.corrected:
        before, after = event.scan.verdict, event.verdict
        history = Text.assemble(
            (str(before), COLOR[before]), (" \N{RIGHTWARDS ARROW} ", "bold"), (str(after), f"bold {COLOR[after]}")
        )
    history.pad_right(HISTORY_WIDTH - len(history))
    return history


def _regions(event: VerdictEvent) -> str:
    zoomed = sum(region.zoomed for region in event.scan.regions)
    return f"{zoomed} region{'' if zoomed == 1 else 's'}"


def _latency_s(event: VerdictEvent) -> float:
    """From the record's timestamp to the verdict."""
    return max(0.0, event.decided_at.timestamp() - event.record.timestamp_ms / 1000)


def _place(event: VerdictEvent) -> str:
    return f"s3://{event.image.bucket}/{event.image.key}" if event.image.bucket else event.image.key
