"""`zoomin events`: show what the worker would make of records, without Kafka, S3 or a model."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pipeline.errors import BucketForbidden, FatalError
from pipeline.wire.entries import Entry, IgnoredEntry, ImageEvent, RefusedEntry, format_index
from pipeline.wire.events import parse_record
from pipeline.wire.record import RawRecord
from pipeline.wire.urls import Addressing
from worker.cli.terminal import build_console, escape_unprintable
from worker.common.sections import StoreSettings
from worker.common.settings import Settings

NAME = "events"
HELP = "show what the worker would make of records: image events, ignored and why, or the code of the dead letter"
STDIN = "-"
NAME_WIDTH = 12
INDEX_WIDTH = 4
OUTCOME_WIDTH = 16
COLORS = {"image": "green", "ignored": "dim"}
FORBIDDEN_CURE = ": add it to ZOOMIN_STORE__BUCKETS of the worker"


class EveryBucket(Container[str]):
    """An allow-list that holds every name: senders often do not know that of the worker."""

    def __contains__(self, name: object) -> bool:
        return True


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="each is one record; - or none: stdin, one record a line"
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        type=parse_header,
        metavar="NAME=VALUE",
        help="a header of all records, as binary CloudEvents have them; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="one line a record")
    parser.epilog = (
        "Reads ZOOMIN_STORE__ENDPOINT_URL and ZOOMIN_STORE__BUCKETS; without the latter every bucket is allowed.\n"
        "Exit code 1: a record or a part of it was refused.\n\n"
        "examples:\n"
        "  zoomin events notification.json\n"
        "  kcat -C -b broker:9092 -t uploads -c 100 -e | zoomin events - --json\n"
        "  echo s3://uploads/a.jpg | ZOOMIN_STORE__BUCKETS=uploads zoomin events"
    )


def parse_header(text: str) -> tuple[str, bytes]:
    """Parse NAME=VALUE; a type for argparse."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value.encode(errors="surrogateescape")


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    out, errors = build_console(), build_console(stderr=True)
    addressing = build_addressing(settings.store, errors)
    files: Sequence[Path] = args.files or [Path(STDIN)]
    counts: Counter[str] = Counter()
    name_width = max(NAME_WIDTH, *(len(str(file)) for file in files)) + INDEX_WIDTH
    for name, value in read_values(files):
        record = RawRecord(settings.kafka.input_topic, 0, 0, 0, None, value, tuple(args.header))
        entries = parse_record(record, addressing)
        own_ids = list_own_ids(record, addressing)
        counts.update(name_outcome(entry) for entry in entries)
        if args.json:
            print(json.dumps(describe_record(name, entries, own_ids)), flush=True)
        else:
            print_entries(out, name, entries, own_ids, name_width=name_width)
    if not args.json:
        totals = ", ".join(format_count(outcome, count) for outcome, count in counts.most_common())
        out.print(totals or "no record", style="bold")
    return 0 if counts.keys() <= COLORS.keys() else 1


def build_addressing(store: StoreSettings, errors: Console) -> Addressing:
    """Build the worker's addressing; without an allow-list allow every bucket, and print that."""
    if store.buckets:
        return Addressing(store.endpoint_url, store.buckets)
    errors.print("ZOOMIN_STORE__BUCKETS is not set: every bucket is allowed here, and none by a worker", style="yellow")
    return Addressing(store.endpoint_url, EveryBucket())


def read_values(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each record. Raises: FatalError for a file that cannot be read."""
    for file in files:
        if str(file) == STDIN:
            for number, line in enumerate(sys.stdin.buffer, start=1):
                if line.strip():
                    yield f"stdin:{number}", line.rstrip(b"\r\n")
            continue
        try:
            value = file.read_bytes()
        except OSError as error:
            raise FatalError(f"{file} cannot be read: {error.strerror}") from error
        yield str(file), value


def list_own_ids(record: RawRecord, addressing: Addressing) -> set[str]:
    """Return the event ids that the record would have at any offset; others name the place where it lies."""
    elsewhere = parse_record(replace(record, offset=record.offset + 1), addressing)
    return {entry.event_id for entry in elsewhere if isinstance(entry, ImageEvent)}


def name_outcome(entry: Entry) -> str:
    match entry:
        case ImageEvent():
            return "image"
        case IgnoredEntry():
            return "ignored"
        case RefusedEntry():
            return entry.error.code


def format_count(outcome: str, count: int) -> str:
    return f"{count} images" if outcome == "image" and count != 1 else f"{count} {outcome}"


def explain(entry: IgnoredEntry | RefusedEntry) -> str:
    """Return why an entry is not judged, with the cure where the worker's user has it."""
    if isinstance(entry, IgnoredEntry):
        return entry.reason
    return entry.error.detail + (FORBIDDEN_CURE if isinstance(entry.error, BucketForbidden) else "")


def describe_record(name: str, entries: Sequence[Entry], own_ids: Container[str]) -> dict[str, object]:
    """Describe a record for programs; `code` and `detail` are those of its first refusal, else why it is ignored."""
    images = [entry for entry in entries if isinstance(entry, ImageEvent)]
    ignored = [entry for entry in entries if isinstance(entry, IgnoredEntry)]
    refused = [entry for entry in entries if isinstance(entry, RefusedEntry)]
    unjudged: list[IgnoredEntry | RefusedEntry] = [*refused] if refused or images else [*ignored]
    return {
        "file": name,
        "outcome": "images" if images else "code" if refused else "ignored",
        "images": [describe_image(event, own_ids) for event in images],
        "code": refused[0].error.code if refused else None,
        "detail": explain(unjudged[0]) if unjudged else None,
        "refused": [
            {"index": format_index(entry.index), "code": entry.error.code, "detail": explain(entry)}
            for entry in refused
        ],
        "ignored": [{"index": format_index(entry.index), "detail": explain(entry)} for entry in ignored],
    }


def describe_image(event: ImageEvent, own_ids: Container[str]) -> dict[str, object]:
    """Describe an image event; its id is null where only the record's place in Kafka makes one."""
    image = event.image
    return {
        "event_id": event.event_id if event.event_id in own_ids else None,
        "bucket": image.bucket,
        "key": image.key,
        "etag": image.etag,
        "version_id": image.version_id,
        "index": format_index(event.index),
    }


def print_entries(
    out: Console, name: str, entries: Sequence[Entry], own_ids: Container[str], *, name_width: int
) -> None:
    """Print a line for each entry: its outcome, the record with the index, and the image or the reason."""
    for entry in entries:
        outcome = name_outcome(entry)
        index = f"#{format_index(entry.index)}" if entry.index and len(entries) > 1 else ""
        line = Text(f"{outcome:<{OUTCOME_WIDTH}}  ", style=COLORS.get(outcome, "red"))
        line.append(f"{escape_unprintable(name + index):<{name_width}}  ", style="bold")
        if isinstance(entry, ImageEvent):
            event_id = entry.event_id if entry.event_id in own_ids else "from the record's offset"
            line.append(escape_unprintable(f"s3://{entry.image.bucket}/{entry.image.key}"), style="cyan")
            line.append(f"  event_id {escape_unprintable(event_id)}", style="dim")
        else:
            line.append(escape_unprintable(explain(entry)))
        out.print(line, soft_wrap=True)
