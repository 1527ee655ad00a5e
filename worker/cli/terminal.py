"""Verdicts on a terminal: in two lines, with the evidence in the second, or in full detail."""

from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from pipeline.verdict import Status, Verdict
from pipeline.wire.messages import CheckEvidence, ScanEvidence, VerdictEvent
from pipeline.wire.record_time import read_record_time

COLOR = {Verdict.REAL: "green", Verdict.GENERATED: "dark_orange"}
INDENT = " " * 10
HISTORY_WIDTH = 21
PIPE_WIDTH = 240


def build_console(stream: TextIO | None = None, *, stderr: bool = False) -> Console:
    """Build a console that interprets no markup or emoji codes in untrusted text and highlights nothing."""
    console = Console(file=stream, stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def escape_unprintable(text: str) -> str:
    """Replace each character that a terminal obeys or hides (escapes, line ends, bidi marks) by its code."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in text
    )


def build_headline(event: VerdictEvent, *, seconds: float | None = None, place: str | None = None) -> Text:
    """Build the line with time, verdict, confidence, correction, regions, latency and the image's URL.

    `seconds` and `place`, unless None, replace latency and URL.
    """
    seconds = _measure_latency_s(event) if seconds is None else seconds
    return Text.assemble(
        (f"{event.decided_at.astimezone():%H:%M:%S}  ", "dim"),
        (f"{event.verdict:<9}", f"bold {COLOR[event.verdict]}"),
        f" {event.confidence:4.0%}  ",
        _format_history(event),
        f"  {_format_regions(event):<9}  {seconds:6.2f} s  ",
        (escape_unprintable(place or _format_url(event)), "cyan"),
    )


def build_evidence_line(event: VerdictEvent) -> Text:
    """Build the line with the remarks on the image, the enlarged boxes and the explanation of the last answer."""
    boxes = " ".join(f"[{','.join(map(str, region.box))}]" for region in event.scan.regions if region.zoomed)
    explanation = event.last_answer.explanation
    line = Text(INDENT, style="dim")
    line.append("".join(f"{remark}  " for remark in event.image.remarks), style="yellow")
    line.append(f"{boxes}  " if boxes else "")
    line.append(escape_unprintable(explanation), style="italic")
    return line


def print_verdict(out: Console, event: VerdictEvent) -> None:
    """Print both lines, cut to the width of a terminal, or whole if the output is no terminal."""
    for line in (build_headline(event), build_evidence_line(event)):
        if out.is_terminal:
            out.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        else:
            out.print(line, soft_wrap=True)


def print_verdict_details(out: Console, event: VerdictEvent) -> None:
    """Print verdict, explanations and crops of one image on several lines."""
    image = event.image
    size = Text(", ".join((f"{image.width_px} x {image.height_px} {image.format}", *image.remarks)), "dim")
    out.print(Text(escape_unprintable(image.key), "bold"), size)
    remarks = ["corrected by Query 2"] * event.corrected + ["overruled by its probability"] * event.overruled
    remarks += ["uncertain"] * event.uncertain
    if event.status is not Status.COMPLETE:
        remarks.append(str(event.status))
    verdict = Text.assemble((f"  {event.verdict.upper()}", f"bold {COLOR[event.verdict]}"), f"  {event.confidence:.0%}")
    out.print(verdict.append(f"  {', '.join(remarks)}", "yellow"))
    _print_answer(out, "Global scan", event.scan)
    for number, region in enumerate((region for region in event.scan.regions if region.zoomed), start=1):
        out.print(Text(f"    crop {number}  {list(region.box)}", "dim"))
    if event.check:
        _print_answer(out, "Local check", event.check)
    out.print()


def _print_answer(out: Console, title: str, answer: ScanEvidence | CheckEvidence) -> None:
    line = Text(f"{title}  ").append(f"{answer.verdict:<9}", COLOR[answer.verdict])
    line.append(f"  P(generated) {answer.p_generated:.2f}  ").append(escape_unprintable(answer.explanation), "italic")
    out.print(Padding(line, (0, 0, 0, 2)))


def _format_history(event: VerdictEvent) -> Text:
    """Format `real -> generated` if Query 2 corrected Query 1, otherwise the remarks on the verdict.

    These are the verdicts that the model wrote; the published one may overrule them.
    """
    remarks = [str(event.status)] * (event.status is not Status.COMPLETE)
    remarks += ["overruled"] * event.overruled + ["uncertain"] * event.uncertain
    history = Text(", ".join(remarks), "yellow")
    if event.corrected:
        before, after = event.scan.verdict, event.last_answer.verdict
        history = Text.assemble(
            (str(before), COLOR[before]), (" \N{RIGHTWARDS ARROW} ", "bold"), (str(after), f"bold {COLOR[after]}")
        )
    history.pad_right(HISTORY_WIDTH - len(history))
    return history


def _format_regions(event: VerdictEvent) -> str:
    zoomed = sum(region.zoomed for region in event.scan.regions)
    return f"{zoomed} region{'' if zoomed == 1 else 's'}"


def _measure_latency_s(event: VerdictEvent) -> float:
    """Return the time from the record's timestamp, or from its arrival if that is not plausible, to the verdict."""
    decided_at = event.decided_at.timestamp()
    written_at = read_record_time(event.record.timestamp_ms, now_s=decided_at)
    return event.timing_s.get("total", 0.0) if written_at is None else max(0.0, decided_at - written_at)


def _format_url(event: VerdictEvent) -> str:
    return f"s3://{event.image.bucket}/{event.image.key}" if event.image.bucket else event.image.key
