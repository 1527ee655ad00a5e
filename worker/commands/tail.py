"""`zoomin tail`: print verdicts as they arrive or as they are stored, without joining a consumer group."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from pipeline.errors import ZoomInError
from pipeline.times import parse_time
from pipeline.verdict import Status, Verdict
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.cli.evidence_cards import EvidenceCardWriter
from worker.cli.stream import silence_kafka_logging
from worker.cli.terminal import build_console, escape_unprintable, print_verdict
from worker.common.settings import Settings
from worker.kafka.topic_reader import BEGINNING, SILENCE_S, TopicReader

NAME = "tail"
HELP = "watch verdicts, or ask about one; takes part in no group and commits nothing"


@dataclass(frozen=True, slots=True)
class VerdictFilter:
    """A filter on verdicts; a field that is None, False or empty excludes nothing."""

    verdict: Verdict | None = None
    corrected: bool = False
    uncertain: bool = False
    status: Status | None = None
    max_confidence: float | None = None
    source: str | None = None
    revision: str | None = None
    event_ids: frozenset[str] = frozenset()
    image: tuple[str, str] | None = None

    def __contains__(self, event: VerdictEvent) -> bool:
        return (
            self.verdict in (None, event.verdict)
            and (event.corrected or not self.corrected)
            and (event.uncertain or not self.uncertain)
            and self.status in (None, event.status)
            and (self.max_confidence is None or event.confidence <= self.max_confidence)
            and self.source in (None, event.source)
            and self.revision in (None, event.model.revision)
            and (not self.event_ids or event.event_id in self.event_ids)
            and self.image in (None, (event.image.bucket, event.image.key))
        )


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verdict", type=Verdict, choices=list(Verdict), help="only this verdict")
    parser.add_argument("--corrected", action="store_true", help="only where Query 2 corrected Query 1")
    parser.add_argument("--uncertain", action="store_true", help="only those in the checkpoint card's uncertain range")
    parser.add_argument("--status", type=Status, choices=list(Status), help="only this status")
    parser.add_argument(
        "--max-confidence", type=_parse_probability, metavar="P", help="only up to this confidence, 0 to 1"
    )
    parser.add_argument("--source", help="only from this source")
    parser.add_argument("--revision", metavar="R", help="only of this model revision: sha256:...")
    parser.add_argument(
        "--event",
        action="append",
        default=[],
        metavar="ID",
        help="only of this event; looks from the topic's beginning; may be given several times",
    )
    parser.add_argument("--key", type=_parse_s3_url, metavar="s3://..", help="only of this object; from the beginning")
    parser.add_argument(
        "--since", type=parse_time, metavar="T", help="from 90s, 10m, 2h, 1d ago, or from an ISO time on"
    )
    parser.add_argument("--topic", help="another topic of verdicts than the settings', such as that of a shadow pool")
    parser.add_argument("--once", action="store_true", help="what is stored now, then end (1 if there was nothing)")
    parser.add_argument("--json", action="store_true", help="one line a verdict, as it is on the topic")
    parser.add_argument("--save-cards", type=Path, metavar="DIR", help="draw the evidence card of each verdict shown")
    parser.epilog = (
        "examples:\n"
        "  zoomin tail --corrected --since 1h\n"
        "  zoomin tail --event 0b8f6ec0-52c1-5f1c-9d0b-6d1f1c2a9b10 --once --save-cards .    # why was this flagged?\n"
        "  zoomin tail --json | jq .confidence"
    )


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    silence_kafka_logging()
    topic = args.topic or settings.kafka.verdict_topic
    verdict_filter = VerdictFilter(
        args.verdict,
        args.corrected,
        args.uncertain,
        args.status,
        args.max_confidence,
        args.source,
        args.revision,
        frozenset(args.event),
        args.key,
    )
    looks_back = args.once or args.event or args.key
    since = args.since or (BEGINNING if looks_back else None)
    out, errors = build_console(), build_console(stderr=True)
    printed = 0
    with ExitStack() as stack:
        card_writer = stack.enter_context(EvidenceCardWriter(settings, args.save_cards)) if args.save_cards else None
        reader = stack.enter_context(TopicReader(settings.kafka, topic, since=since))
        if not args.once:
            errors.print(f"Waiting for verdicts on {topic} (Ctrl-C ends)", style="dim")
        for record in reader.read_stored() if args.once else follow_live(reader, errors):
            event = _parse_verdict(record, errors)
            if event is None or event not in verdict_filter:
                continue
            printed += 1
            if args.json:
                print(json.dumps(json.loads(record.value or b"")), flush=True)
            else:
                print_verdict(out, event)
            if card_writer:
                _save_evidence_card(card_writer, event, errors)
    if not printed:
        errors.print(f"No such verdict is stored on {topic}.", style="yellow")
    return 0 if printed else 1


def follow_live(
    reader: TopicReader, errors: Console, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[RawRecord]:
    """Yield records as they arrive, and print when the broker goes away and when it is back."""
    last_record_at, answering = clock(), True
    for record in reader.read_live():
        if record is not None:
            last_record_at = clock()
            yield record
        elif clock() - last_record_at > SILENCE_S:
            was, answering = answering, reader.is_reachable()
            if was != answering:
                errors.print("Kafka answers again" if answering else "No broker answers; waiting", style="yellow")
            last_record_at = clock()


def _parse_verdict(record: RawRecord, errors: Console) -> VerdictEvent | None:
    try:
        return VerdictEvent.model_validate_json(record.value or b"")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = f"partition {record.partition} offset {record.offset}"
        problem = f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()
        errors.print(
            escape_unprintable(f"Passed over {where}, which is no verdict that we can read: {problem}"), style="yellow"
        )
        return None


def _save_evidence_card(card_writer: EvidenceCardWriter, event: VerdictEvent, errors: Console) -> None:
    try:
        errors.print(escape_unprintable(f"Evidence card: {card_writer.save(event)}"), style="dim")
    except ZoomInError as error:
        errors.print(escape_unprintable(f"No evidence card for event {event.event_id}: {error.detail}"), style="yellow")


def _parse_probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _parse_s3_url(text: str) -> tuple[str, str]:
    bucket, _, key = text.removeprefix("s3://").partition("/")
    if not (text.startswith("s3://") and bucket and key):
        raise argparse.ArgumentTypeError(f"{text!r} is not s3://bucket/key")
    return bucket, key
