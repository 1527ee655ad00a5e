"""The HTML page of a report: what its plots need, beside the numbers."""

from pathlib import Path

from training.estimates.features import TITLES as FEATURE_TITLES
from training.estimates.quantities import TITLES
from training.estimates.tables import format_need
from training.evaluation.summary import Json
from training.reports.page import HTML_NAME, write_report

TEMPLATE = "estimate.html.jinja"
MOST_SOURCES = 8
MOST_BINS = 12
MOST_DAYS = 60
"""the latest ones that a heat map shows"""


def write_page(directory: Path, report: Json) -> Path:
    """Write the page and its JSON, and return the page."""
    write_report(
        directory,
        report,
        TEMPLATE,
        titles=TITLES,
        features=FEATURE_TITLES,
        need=format_need,
        maps=list_heat_maps(report["drift"]) if report["drift"] else [],
        bars=list_bars(report["drift"]) if report["drift"] else [],
    )
    return directory / HTML_NAME


def list_heat_maps(drift: Json) -> list[Json]:
    """List a heat map of all traffic and one of each large source: its days, with the comparisons of each feature."""
    totals = {scope["source"]: scope for scope in drift["scopes"] if scope["day"] is None}
    largest = sorted((name for name in totals if name), key=lambda name: -totals[name]["verdicts"])[:MOST_SOURCES]
    return [
        {
            "source": source,
            "total": totals[source],
            "days": [scope for scope in drift["scopes"] if scope["source"] == source and scope["day"]][-MOST_DAYS:],
        }
        for source in (None, *largest)
    ]


def list_bars(drift: Json) -> list[Json]:
    """List the largest bins of each feature with their shares in the reference and in the window."""
    return [
        {
            "feature": name,
            "most": max((share for pair in bins.values() for share in pair), default=0) or 1,
            "bins": sorted(bins.items(), key=lambda item: (-max(item[1]), item[0]))[:MOST_BINS],
        }
        for name, bins in drift["shares"].items()
        if bins
    ]
