"""`zoomin replay`: dead letters back to the topic they came from, each at most once for each letter."""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

from worker.cli.letters import EVENT_ID_HEADER, Decision, Letter, decide, identity, replays_of
from worker.cli.sending import Pace, Sender, rate
from worker.cli.stream import BEGINNING, TopicReader, moment, quiet_client
from worker.cli.terminal import console, visible
from worker.common.settings import KafkaSettings, Settings

NAME = "replay"
HELP = "send dead letters back to the topic they came from; skips what was answered or replayed since"
SHOWN = 40
CLOCKS_APART = timedelta(minutes=5)
"""how far the clocks of workers and of whoever replays may differ"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--code", help="only letters of this error, as in zoomin-dlt-code: image_missing")
    parser.add_argument("--since", type=moment, metavar="T", help="only letters from 90s, 10m, 2h, 1d ago or a time on")
    parser.add_argument("--limit", type=int, metavar="N", help="send at most N")
    parser.add_argument("--rate", type=rate, metavar="N", help="at most N a second")
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    parser.add_argument("--json", action="store_true", help="one line a letter")
    parser.epilog = "example:\n  zoomin replay --code bucket_forbidden --since 1d --dry-run"


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    quiet_client()
    out, errors = console(), console(stderr=True)
    letters, foreign = read_letters(settings.kafka, args.since)
    if foreign:
        errors.print(f"Passed over {foreign} record(s) that are no dead letters of ours", style="yellow")
    if not letters:
        errors.print(f"No dead letter on {settings.kafka.dead_letter_topic}.", style="dim")
        return 0
    since = datetime.fromtimestamp(min(letter.record.timestamp_ms for letter in letters) / 1000, UTC) - CLOCKS_APART
    errors.print(f"Looking what became of {len(letters)} letters since {since:%Y-%m-%d %H:%M} UTC", style="dim")
    decisions = decide(
        letters,
        answered=answered_ids(settings.kafka, since),
        replayed=replays(settings.kafka, {letter.topic for letter in letters}, since),
        code=args.code,
        limit=args.limit,
    )
    if not args.dry_run:
        send(settings.kafka, [decision.letter for decision in decisions if decision.reason is None], Pace(args.rate))
    done = "would be sent" if args.dry_run else "sent"
    if args.json:
        for decision in decisions:
            print(_json(decision, done))
    else:
        _show(out, decisions, done)
    return 0


def read_letters(settings: KafkaSettings, since: datetime | None) -> tuple[list[Letter], int]:
    """The stored letters in the order of time, and how many records were none."""
    with TopicReader(settings, settings.dead_letter_topic, since=since or BEGINNING) as reader:
        found = [Letter.of(record) for record in reader.stored()]
    letters = [letter for letter in found if letter is not None]
    return sorted(letters, key=lambda letter: letter.record.timestamp_ms), len(found) - len(letters)


def answered_ids(settings: KafkaSettings, since: datetime) -> set[str]:
    with TopicReader(settings, settings.verdict_topic, since=since) as reader:
        headers = (record.header(EVENT_ID_HEADER) for record in reader.stored())
        return {header.decode(errors="replace") for header in headers if header}


def replays(settings: KafkaSettings, topics: Iterable[str], since: datetime) -> dict[str, int]:
    """The highest number of replay by identity, as the source topics hold it."""
    highest: dict[str, int] = {}
    for topic in sorted(topics):
        with TopicReader(settings, topic, since=since) as reader:
            for record in reader.stored():
                number = replays_of(record)
                if number:
                    name = identity(record)
                    highest[name] = max(number, highest.get(name, 0))
    return highest


def send(settings: KafkaSettings, letters: list[Letter], pace: Pace) -> None:
    """Returns when all are acknowledged; what a failure leaves unsent, the next replay finds.

    Raises: TopicMissing, BrokerUnavailable.
    """
    if not letters:
        return
    with Sender[None](settings) as sender:
        for letter in letters:
            pace.wait()
            sender.send(
                letter.topic, key=letter.record.key, value=letter.record.value, headers=letter.headers, label=None
            )
        sender.finish()


def _show(out: Console, decisions: list[Decision], done: str) -> None:
    table = Table("code", "event", "record", "replay", "what", box=None, padding=(0, 2, 0, 0))
    for decision in decisions[:SHOWN]:
        letter, again = decision.letter, decision.reason is None
        table.add_row(
            visible(letter.code),
            visible(letter.event_id or "unreadable"),
            visible(letter.place),
            str(letter.replays + 1) if again else "",
            decision.reason or done,
            style="" if again else "dim",
        )
    out.print(table)
    if len(decisions) > SHOWN:
        out.print(f"and {len(decisions) - SHOWN} more", style="dim")
    counts = Counter(f"skipped: {decision.reason}" if decision.reason else done for decision in decisions)
    out.print(", ".join(f"{count} {what}" for what, count in counts.most_common()) or f"0 {done}")


def _json(decision: Decision, done: str) -> str:
    letter = decision.letter
    return json.dumps(
        {
            "code": letter.code,
            "event_id": letter.event_id,
            "record": letter.place,
            "detail": letter.detail,
            "replays": letter.replays,
            "what": decision.reason or done,
        }
    )
