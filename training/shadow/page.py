"""The HTML page of a shadow report: its numbers, and flips with the evidence cards of both pools."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.verdict import Verdict
from training.evaluation.summary import Json
from training.reports.page import HTML_NAME, write_report
from training.shadow.flips import ShownFlip

TEMPLATE = "shadow.html.jinja"
TITLES = {Verdict.GENERATED: "From real to generated", Verdict.REAL: "From generated to real"}


def write_page(directory: Path, report: Json, shown: Sequence[ShownFlip]) -> Path:
    """Write the page and its JSON, and return the page."""
    galleries = {title: [flip for flip in shown if flip.flip.to is to] for to, title in TITLES.items()}
    bins = report["p_generated"]["bins"]
    most = max((count for pair in bins.values() for count in pair), default=1)
    write_report(directory, report, TEMPLATE, galleries=galleries, bins=bins, most=most)
    return directory / HTML_NAME
