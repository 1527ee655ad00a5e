"""`zoomin replay`: send dead letters back to their source topic, each letter at most once."""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from pipeline.times import parse_time
from pipeline.wire.events import EVENT_ID_HEADER
from worker.cli.dead_letters import DeadLetter, ReplayDecision, count_replays, decide_replays, identify
from worker.cli.sending import RateLimiter, Sender, parse_limit, parse_rate
from worker.cli.stream import silence_kafka_logging
from worker.cli.terminal import build_console, escape_unprintable
from worker.common.sections import KafkaSettings
from worker.common.settings import Settings
from worker.kafka.topic_reader import BEGINNING, MAX_CLOCK_SKEW, TopicReader

NAME = "replay"
HELP = "send dead letters back to the topic they came from; skips what was answered or replayed since"
TABLE_ROWS = 40


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--code", help="only letters of this error, as in zoomin-dlt-code: image_missing")
    parser.add_argument(
        "--since", type=parse_time, metavar="T", help="only letters from 90s, 10m, 2h, 1d ago or a time on"
    )
    parser.add_argument(
        "--collect", action="store_true", help="letters of `zoomin collect`, about reviews and deletions, instead"
    )
    parser.add_argument("--limit", type=parse_limit, metavar="N", help="send at most N")
    parser.add_argument("--rate", type=parse_rate, metavar="N", help="at most N a second")
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    parser.add_argument("--json", action="store_true", help="one line a letter")
    parser.epilog = "example:\n  zoomin replay --code bucket_forbidden --since 1d --dry-run"


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    silence_kafka_logging()
    out, errors = build_console(), build_console(stderr=True)
    topic = settings.kafka.review_dead_letter_topic if args.collect else settings.kafka.dead_letter_topic
    letters, foreign = read_letters(settings.kafka, topic, args.since)
    if foreign:
        errors.print(f"Passed over {foreign} record(s) that are no dead letters of ours", style="yellow")
    if not letters:
        errors.print(f"No dead letter on {topic}.", style="dim")
        return 0
    since = datetime.fromtimestamp(min(letter.record.timestamp_ms for letter in letters) / 1000, UTC) - MAX_CLOCK_SKEW
    errors.print(f"Looking what became of {len(letters)} letters since {since:%Y-%m-%d %H:%M} UTC", style="dim")
    decisions = decide_replays(
        letters,
        answered=read_answer_times(settings.kafka, since),
        replayed=read_replay_counts(settings.kafka, {letter.topic for letter in letters}, since),
        code=args.code,
        limit=args.limit,
    )
    if not args.dry_run:
        send_letters(
            settings.kafka,
            [decision.letter for decision in decisions if decision.reason is None],
            RateLimiter(args.rate),
        )
    outcome = "would be sent" if args.dry_run else "sent"
    if args.json:
        for decision in decisions:
            print(_format_json(decision, outcome))
    else:
        _print_decisions(out, decisions, outcome)
    return 0


def read_letters(settings: KafkaSettings, topic: str, since: datetime | None) -> tuple[list[DeadLetter], int]:
    """Return the stored letters ordered by time, and the number of records that are no letters."""
    with TopicReader(settings, topic, since=since or BEGINNING) as reader:
        found = [DeadLetter.from_record(record) for record in reader.read_stored()]
    letters = [letter for letter in found if letter is not None]
    return sorted(letters, key=lambda letter: letter.record.timestamp_ms), len(found) - len(letters)


def read_answer_times(settings: KafkaSettings, since: datetime) -> dict[str, int]:
    """Return the time of the latest verdict of each event, in milliseconds."""
    latest: dict[str, int] = {}
    with TopicReader(settings, settings.verdict_topic, since=since) as reader:
        for record in reader.read_stored():
            event_id = (record.get_header(EVENT_ID_HEADER) or b"").decode(errors="replace")
            if event_id:
                latest[event_id] = max(record.timestamp_ms, latest.get(event_id, -1))
    return latest


def read_replay_counts(settings: KafkaSettings, topics: Iterable[str], since: datetime) -> dict[str, int]:
    """Return the highest replay number of each identity in the source topics."""
    highest: dict[str, int] = {}
    for topic in sorted(topics):
        with TopicReader(settings, topic, since=since) as reader:
            for record in reader.read_stored():
                number = count_replays(record)
                if number:
                    name = identify(record)
                    highest[name] = max(number, highest.get(name, 0))
    return highest


def send_letters(settings: KafkaSettings, letters: list[DeadLetter], limiter: RateLimiter) -> None:
    """Send the letters and return when all are acknowledged; the next replay finds letters that a failure left unsent.

    Raises: TopicMissing, BrokerUnavailable.
    """
    if not letters:
        return
    with Sender[None](settings) as sender:
        for letter in letters:
            limiter.wait()
            sender.send(
                letter.topic, key=letter.record.key, value=letter.record.value, headers=letter.headers, label=None
            )
        sender.finish()


def _print_decisions(out: Console, decisions: list[ReplayDecision], outcome: str) -> None:
    table = Table("code", "event", "record", "replay", "what", box=None, padding=(0, 2, 0, 0))
    for decision in decisions[:TABLE_ROWS]:
        letter, again = decision.letter, decision.reason is None
        table.add_row(
            escape_unprintable(letter.code),
            escape_unprintable(letter.event_id or "unreadable"),
            escape_unprintable(letter.origin),
            str(letter.replays + 1) if again else "",
            decision.reason or outcome,
            style="" if again else "dim",
        )
    out.print(table)
    if len(decisions) > TABLE_ROWS:
        out.print(f"and {len(decisions) - TABLE_ROWS} more", style="dim")
    counts = Counter(f"skipped: {decision.reason}" if decision.reason else outcome for decision in decisions)
    out.print(", ".join(f"{count} {what}" for what, count in counts.most_common()) or f"0 {outcome}")


def _format_json(decision: ReplayDecision, outcome: str) -> str:
    letter = decision.letter
    return json.dumps(
        {
            "code": letter.code,
            "event_id": letter.event_id,
            "record": letter.origin,
            "detail": letter.detail,
            "replays": letter.replays,
            "what": decision.reason or outcome,
        }
    )
