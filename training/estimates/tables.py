"""Print a report as tables for people."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.estimates.features import TITLES as FEATURE_TITLES
from training.estimates.quantities import TITLES
from training.evaluation.summary import Json

STYLES = {"alarm": "bold red", "watch": "yellow", "steady": "green", "unknown": "dim"}
MOST_MOVED = 12
MOVED = "moved most"
LEGEND = (
    "range: if all undecided images were real, generated, right or wrong; labels: how many more halve the interval, "
    "or are short of an estimate"
)


def print_report(report: Json, console: Console) -> None:
    if report["estimates"]:
        _print_estimates(report["estimates"], report["by"], console)
    if report["drift"]:
        _print_drift(report["drift"], console)


def format_need(quantity: Mapping[str, int | None]) -> str:
    """Say how many more labels the quantity needs: to be estimated at all, or to halve its interval."""
    if quantity["value"] is None:
        needed = quantity["labels_to_estimate"]
        return f"about {needed} more labels for an estimate" if needed else "none of the labeled cases is of this kind"
    return f"{quantity['labels_to_halve']} more labels halve the interval"


def _print_estimates(estimates: Json, by: str | None, console: Console) -> None:
    cases = estimates["cases"]
    rate = cases["response_rate"]
    console.print(
        f"{cases['sampled']} sampled cases: {cases['agreed']} decided, {cases['unsure']} unsure, "
        f"{cases['disputed']} disputed, {cases['pending']} pending"
        + (f"; annotators looked at {rate:.0%}" if rate is not None else "")
    )
    table = _build_table("on live traffic", "value", "95 %", "cases", "effective", "range", "labels")
    for name, quantity in estimates["quantities"].items():
        table.add_row(TITLES[name][0], *_format_quantity(quantity))
    console.print(table)
    console.print(LEGEND, style="dim")
    for name, part in (estimates["groups"][by] if by else {}).items():
        accuracy = part["quantities"]["accuracy"]
        value = (
            "-"
            if accuracy["value"] is None
            else f"{accuracy['value']:.3f} ({accuracy['low']:.3f}-{accuracy['high']:.3f})"
        )
        console.print(Text(f"{by} {name}: accuracy {value}, {accuracy['n']} cases, {format_need(accuracy)}"))
    for reason, count in estimates["left_out"].items():
        examples = ", ".join(estimates["left_out_examples"][reason])
        console.print(Text(f"left out, {reason}: {count} ({examples})", style="yellow"))


def _format_quantity(quantity: Json) -> list[str]:
    if quantity["value"] is None:
        missing = quantity["labels_to_estimate"]
        return ["-", "", str(quantity["n"]), "", "", f"{missing} short" if missing else "none"]
    effective = "exact" if quantity["effective"] is None else f"{quantity['effective']:.0f}"
    low, high = quantity["range"] or (0, 0)
    spread = f"{low:.3f}-{high:.3f}" if high > low else ""
    bounds, more = f"{quantity['low']:.3f}-{quantity['high']:.3f}", f"+{quantity['labels_to_halve']}"
    return [f"{quantity['value']:.3f}", bounds, str(quantity["n"]), effective, spread, more]


def _print_drift(drift: Json, console: Console) -> None:
    before, now = drift["reference"], drift["window"]
    console.print(
        Text(
            f"drift: {now['verdicts']} verdicts ({now['first_day']} to {now['last_day']}) against "
            f"{before['verdicts']} ({before['first_day']} to {before['last_day']})"
        )
    )
    table = _build_table("all traffic", "PSI", "noise", "JS", "level", MOVED)
    for name, numbers in drift["scopes"][0]["features"].items():
        table.add_row(FEATURE_TITLES[name], *_format_divergence(numbers))
    console.print(table)
    moved = [each for each in drift["moved"] if each["source"] or each["day"]]
    for each in moved[:MOST_MOVED]:
        place = ", ".join(part for part in (each["source"], each["day"]) if part)
        text = f"{each['level']}: {FEATURE_TITLES[each['feature']]} of {place}, PSI {each['psi']:.2f}"
        console.print(Text(text, style=STYLES[each["level"]]))
    if len(moved) > MOST_MOVED:
        console.print(f"and {len(moved) - MOST_MOVED} more on the page")
    if drift["skipped"]:
        console.print(Text(f"{sum(drift['skipped'].values())} lines are no verdicts:", style="yellow"))
        for example in drift["skipped_examples"]:
            console.print(Text(f"  {example}", style="yellow"))


def _format_divergence(numbers: Json) -> list[Text]:
    level = Text(numbers["level"], style=STYLES[numbers["level"]])
    moved = f"{numbers['moved']}: {numbers['before']:.3f} to {numbers['after']:.3f}" if numbers["moved"] else ""
    return [*(Text(f"{numbers[name]:.3f}") for name in ("psi", "noise", "js")), level, Text(moved)]


def _build_table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title != MOVED)
    return table
