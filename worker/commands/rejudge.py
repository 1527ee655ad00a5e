"""`zoomin rejudge`: send events whose latest verdict comes from one revision to the input topic again."""

import argparse
import json
import re
from pathlib import Path

from pipeline.errors import FatalError
from pipeline.times import parse_time
from worker.cli.latest_verdicts import EventCounts, LatestVerdicts
from worker.cli.rejudge_steps import (
    UNREADABLE,
    UNSENDABLE,
    Rejudge,
    mark_sent,
    open_state,
    read_verdicts,
    send_due,
)
from worker.cli.rejudging import ServingRevisions
from worker.cli.sending import RateLimiter, parse_limit, parse_rate
from worker.cli.stream import silence_kafka_logging
from worker.cli.terminal import build_console, escape_unprintable
from worker.common.settings import Settings
from worker.kafka.topic_reader import BEGINNING

NAME = "rejudge"
HELP = "send the events whose latest verdict came from a revision to the input topic again, under the same event ids"
DEFAULT_RATE = 100.0
LISTED = 5


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--revision", required=True, type=_parse_revision, metavar="R", help="of the verdicts to replace: sha256:..."
    )
    parser.add_argument(
        "--since", type=parse_time, metavar="T", help="only verdicts from 90s, 10m, 2h, 1d ago or an ISO time on"
    )
    parser.add_argument(
        "--rate", type=parse_rate, default=DEFAULT_RATE, metavar="N", help="at most N a second (default %(default)g)"
    )
    parser.add_argument("--limit", type=parse_limit, metavar="N", help="send at most N")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="remember there how far it came, and go on from there"
    )
    parser.add_argument("--force", action="store_true", help="send also if the newest verdict still comes from R")
    parser.add_argument("--dry-run", action="store_true", help="count what would be sent, and send nothing")
    parser.add_argument("--json", action="store_true", help="print the counts as one object")
    parser.epilog = (
        "examples, to be run when the workers have another champion:\n"
        "  zoomin rejudge --revision sha256:4f0c... --since 1d --dry-run\n"
        "  zoomin rejudge --revision sha256:4f0c... --since 1d --rate 50 --state rejudge.json"
    )


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    silence_kafka_logging()
    rejudge = Rejudge(
        settings.kafka,
        args.revision,
        args.since or BEGINNING,
        args.limit,
        RateLimiter(args.rate),
        build_console(stderr=True),
    )
    state_file = open_state(args.state, rejudge)
    with LatestVerdicts(rejudge.revision) as verdicts:
        serving = read_verdicts(rejudge, verdicts)
        if not verdicts.count().ever:
            raise FatalError(_explain_absence(rejudge, serving))
        mark_sent(rejudge, verdicts)
        counts = verdicts.count()
        _check_serving(rejudge, serving, force=args.force or args.dry_run)
        sent = 0 if args.dry_run else send_due(rejudge, verdicts, state_file, total=counts.latest - counts.sent)
    if args.json:
        print(json.dumps(_describe(rejudge, counts, sent)))
    else:
        _print_counts(rejudge, counts, sent=None if args.dry_run else sent)
    return 0


def _check_serving(rejudge: Rejudge, serving: ServingRevisions, *, force: bool) -> None:
    """Warn of workers that still answer with the revision. Raises: FatalError if the newest verdict comes from it."""
    if serving.newest and serving.newest[1] == rejudge.revision:
        problem = (
            f"the newest verdict ({serving.newest[0]:%Y-%m-%d %H:%M:%S} UTC) still comes from {rejudge.revision}, "
            "which would judge its events again"
        )
        if not force:
            raise FatalError(
                f"{problem}: roll back, and wait until the workers have swapped; --force sends all the same"
            )
        rejudge.errors.print(f"Warning: {problem}", style="yellow")
        return
    workers = serving.list_workers(rejudge.revision)
    if workers:
        names = escape_unprintable(", ".join(workers[:LISTED]))
        rejudge.errors.print(
            f"Warning: the last verdict of {len(workers)} worker(s) still comes from this revision: {names}. Run this "
            "command again when they have swapped.",
            style="yellow",
        )


def _explain_absence(rejudge: Rejudge, serving: ServingRevisions) -> str:
    found = ", ".join(f"{revision} ({count})" for revision, count in serving.counts.most_common(LISTED))
    return escape_unprintable(
        f"no verdict on {rejudge.kafka.verdict_topic} comes from {rejudge.revision}; "
        + (f"they come from {found}" if found else "none is stored from that time on")
    )


def _print_counts(rejudge: Rejudge, counts: EventCounts, *, sent: int | None) -> None:
    out, due = build_console(), counts.latest - counts.sent
    for reason, count in rejudge.passed.items():
        rejudge.errors.print(f"Passed over {count} {reason} verdict(s)", style="yellow")
    out.print(f"{counts.ever} of {counts.events} events were judged by {rejudge.revision}:")
    out.print(f"  {counts.ever - counts.latest} have a later verdict of another revision")
    out.print(f"  {counts.sent} were sent again before")
    if sent is None:
        out.print(f"  {due} would be sent", style="bold")
    else:
        out.print(f"  {sent} sent to {rejudge.kafka.input_topic}", style="bold")


def _describe(rejudge: Rejudge, counts: EventCounts, sent: int) -> dict[str, object]:
    return {
        "revision": rejudge.revision,
        "events": counts.events,
        "of_revision": counts.ever,
        "judged_again": counts.ever - counts.latest,
        "sent_before": counts.sent,
        "due": counts.latest - counts.sent,
        "sent": sent,
        "unreadable": rejudge.passed[UNREADABLE],
        "unsendable": rejudge.passed[UNSENDABLE],
        "topic": rejudge.kafka.input_topic,
    }


def _parse_revision(text: str) -> str:
    revision = text.replace("-", ":", 1)
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", revision):
        raise argparse.ArgumentTypeError(f"{text!r} is no revision: sha256: and 64 hexadecimal digits, as in a verdict")
    return revision
