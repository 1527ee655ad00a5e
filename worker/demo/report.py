"""The HTML report: one page that opens from disk, with a summary and an evidence card for each image."""

import base64
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from PIL import Image

from pipeline.evidence.card import format_image_name
from pipeline.verdict import Verdict
from pipeline.wire.messages import VerdictEvent

CARD_QUALITY = 82
PLOT_PX = 300
Z_95 = 1.96


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One image of the run: its truth, its verdict, and the seconds of work on it.

    `right` is about the published verdict; `scan_right` and `check_right` are about those that the model wrote.
    Where Query 2 could not be read, `check_right` is False, as in evaluations.
    `problem` is the reason why an image has no verdict.
    """

    name: str
    truth: Verdict | None
    event: VerdictEvent | None
    evidence_card: Image.Image | None = None
    seconds: float | None = None
    problem: str = ""

    @property
    def right(self) -> bool | None:
        """None without a verdict or a known truth."""
        return None if self.event is None or self.truth is None else self.event.verdict is self.truth

    @property
    def scan_right(self) -> bool | None:
        return None if self.event is None or self.truth is None else self.event.scan.verdict is self.truth

    @property
    def check_right(self) -> bool | None:
        if self.event is None or self.truth is None:
            return None
        return self.event.check is not None and self.event.check.verdict is self.truth

    @property
    def corrected(self) -> bool:
        return self.event is not None and self.event.corrected


@dataclass(frozen=True, slots=True)
class Share:
    """A fraction with its 95 % interval (Wilson)."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def from_outcomes(cls, hits: Sequence[bool]) -> "Share | None":
        n = len(hits)
        if not n:
            return None
        p = sum(hits) / n
        spread = Z_95 * math.sqrt(p * (1 - p) / n + (Z_95 / (2 * n)) ** 2)
        middle, scale = p + Z_95**2 / (2 * n), 1 + Z_95**2 / n
        return cls(p, max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale), n)


@dataclass(frozen=True, slots=True)
class Summary:
    """The results of a run; the shares count the answered images with a known truth.

    `acc_published` is about the published verdicts, the others are about those that the model wrote.
    Source: Acc, I-Acc (the scan alone) and C-Cases (corrected) as in the paper's table 1.
    """

    images: int
    answered: int
    acc: Share | None
    i_acc: Share | None
    acc_published: Share | None
    corrected: int
    corrected_right: int
    corrected_wrong: int
    seconds: float
    median_s: float | None

    @classmethod
    def from_cases(cls, cases: Sequence[Case], *, seconds: float) -> "Summary":
        corrected = [case for case in cases if case.corrected]
        waits = [case.seconds for case in cases if case.seconds is not None]
        return cls(
            images=len(cases),
            answered=sum(case.event is not None for case in cases),
            acc=Share.from_outcomes([case.check_right for case in cases if case.check_right is not None]),
            i_acc=Share.from_outcomes([case.scan_right for case in cases if case.scan_right is not None]),
            acc_published=Share.from_outcomes([case.right for case in cases if case.right is not None]),
            corrected=len(corrected),
            corrected_right=sum(case.check_right is True for case in corrected),
            corrected_wrong=sum(case.check_right is False for case in corrected),
            seconds=seconds,
            median_s=statistics.median(waits) if waits else None,
        )


def render_report(cases: Sequence[Case], summary: Summary) -> str:
    """Render the page with its pictures inside and all untrusted text escaped; it runs no script and loads nothing.

    Corrected images come first, right ones before wrong ones; then the other wrong ones.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("worker.demo"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"data_uri": _encode_data_uri, "name": format_image_name, "percent": _format_percent}
    ordered = sorted(cases, key=_rank)
    template = environment.get_template("report.html.jinja")
    return template.render(cases=ordered, summary=summary, dots=_build_dots(ordered), side=PLOT_PX)


def _rank(case: Case) -> tuple[bool, bool, str]:
    helped_first = case.right is False if case.corrected else case.right is not False
    return not case.corrected, helped_first, case.name


@dataclass(frozen=True, slots=True)
class Dot:
    """An image in the plot of P(generated) after Query 1 (x) and after Query 2 (y), in pixels of the plot."""

    number: int
    x: float
    y: float
    truth: str


def _build_dots(cases: Sequence[Case]) -> list[Dot]:
    return [
        Dot(number, case.event.scan.p_generated * PLOT_PX, (1 - case.event.p_generated) * PLOT_PX, case.truth or "")
        for number, case in enumerate(cases, start=1)
        if case.event and case.event.check
    ]


def _encode_data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=CARD_QUALITY, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _format_percent(share: Share | None) -> str:
    return f"{share.value:.1%}" if share else "n/a"
