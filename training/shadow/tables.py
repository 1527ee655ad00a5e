"""Print a shadow report for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.evaluation.summary import Json
from training.reports.page import format_interval, format_points, format_share

SIDES = ("champion", "challenger")


def print_report(report: Json, console: Console) -> None:
    for side in SIDES:
        pool = report["pools"][side]
        console.print(Text(f"{side:10} {pool['model']} {pool['revision'][:19]} on {pool['topic']}"))
        others = {name: count for name, count in pool["verdicts"].items() if name != pool["revision"]}
        if others:
            console.print(Text(f"  left out: {sum(others.values())} verdicts of other revisions", style="yellow"))
    flips = report["flips"]
    console.print(
        f"{report['joined']} events over {report['hours']:g} hours of traffic were judged by both; only by the "
        f"champion {report['only_champion']}, only by the challenger {report['only_challenger']}"
    )
    console.print(f"agreement  {_format_metric(report['agreement'])}")
    console.print(
        f"flips      {_format_metric(flips)}: {flips['to_generated']} to generated, {flips['to_real']} to real"
    )
    console.print(_build_quantiles(report))
    moved = report["p_generated"]
    console.print(
        f"P(generated): mean change {moved['mean_change']:+.4f}, PSI {moved['psi']:.3f} (noise {moved['noise']:.3f}), "
        f"{moved['level']}"
    )
    if report["labels"]:
        _print_labels(report["labels"], console)
    if report["skipped"]:
        console.print(Text(f"{sum(report['skipped'].values())} lines are no verdicts", style="yellow"))


def _build_quantiles(report: Json) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("", *SIDES):
        table.add_column(title)
    for name in ("generated", "uncertain"):
        table.add_row(f"share {name}", *(f"{report[name][side]:.3f}" for side in SIDES))
    for name in ("p05", "p50", "p95"):
        table.add_row(f"P(generated) {name}", *(f"{report['p_generated'][side][name]:.3f}" for side in SIDES))
    for name in ("p50", "p90", "p99"):
        table.add_row(f"seconds {name}", *(f"{report['seconds'][side][name]:.3f}" for side in SIDES))
    return table


def _print_labels(labels: Json, console: Console) -> None:
    console.print(f"{labels['decided']} of these events have a decided label, of {labels['sampled']} sampled")
    for side in SIDES:
        console.print(f"accuracy   {side:10} {_format_metric(labels[side])}")
    difference, test = labels["difference"], labels["mcnemar"]
    console.print(f"difference {format_points(difference)} points, {format_interval(difference)}")
    console.print(
        f"McNemar    only the champion is right on {test['only_champion']} images, only the challenger on "
        f"{test['only_challenger']}; p = {test['p']:.4f}"
    )


def _format_metric(metric: Json) -> str:
    bounds = format_interval(metric)
    return f"{format_share(metric)} ({bounds}, n={metric['n']})" if bounds else f"too few (n={metric['n']})"
