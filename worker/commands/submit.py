"""`zoomin submit`: send events for images that are already in a bucket."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from pipeline.errors import BadSettings, FatalError
from pipeline.wire.events import ImageEventMessage
from worker.cli.paced_sending import send_paced
from worker.cli.progress import ProgressDisplay
from worker.cli.sending import RateLimiter, Sender, parse_rate
from worker.cli.state_file import StateFile
from worker.cli.stream import silence_kafka_logging
from worker.cli.terminal import build_console, escape_unprintable
from worker.common.settings import Settings
from worker.kafka.outgoing import OutgoingMessage
from worker.storage.buckets import list_bucket

NAME = "submit"
HELP = "send an event for every object below a prefix, or for every URL on stdin"
PROGRESS_INTERVAL_S = 10.0


class PrefixProgress(BaseModel):
    """The state of one prefix: the last key whose event is acknowledged, as are all events before it."""

    model_config = ConfigDict(extra="forbid")
    last_key: str = ""
    events: int = 0
    finished: bool = False


class SubmitState(BaseModel):
    """The content of the file that `--state` names."""

    model_config = ConfigDict(extra="forbid")
    format: int = 1
    prefixes: dict[str, PrefixProgress] = {}


@dataclass(frozen=True, slots=True)
class Submission:
    """An event to send, and the key after which a later run goes on."""

    bucket: str
    key: str
    etag: str | None = None

    @property
    def message(self) -> OutgoingMessage:
        event = ImageEventMessage(url=f"s3://{self.bucket}/{self.key}", etag=self.etag)
        value = event.model_dump_json(exclude_none=True, exclude={"attributes"})
        return OutgoingMessage(f"{self.bucket}/{self.key}".encode(), value.encode(), ())


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="+", metavar="s3://bucket/prefix", help="everything below it; - reads s3:// URLs from stdin"
    )
    parser.add_argument("--rate", type=parse_rate, metavar="N", help="at most N events a second")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="remember there how far it came, and go on from there"
    )
    parser.add_argument("--json", action="store_true", help="print the number of events as one object")
    parser.epilog = (
        "examples:\n"
        "  zoomin submit s3://uploads/2026/ --rate 50 --state submit.json\n"
        "  aws s3 ls --recursive s3://uploads | awk '{print \"s3://uploads/\" $4}' | zoomin submit -"
    )


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    silence_kafka_logging()
    errors, topic = build_console(stderr=True), settings.kafka.input_topic
    if args.state and "-" in args.what:
        raise BadSettings("--state remembers keys of a prefix; it cannot go on in the middle of stdin")
    state_file = StateFile(args.state, SubmitState(), command="zoomin submit")
    events = 0
    with Sender[Submission](settings.kafka) as sender:
        for prefix in args.what:
            progress = state_file.state.prefixes.setdefault(prefix, PrefixProgress())
            if progress.finished:
                sentence = f"{prefix} was submitted before; remove {args.state} to do it again"
                errors.print(escape_unprintable(sentence), style="dim")
                continue
            if prefix == "-":
                submissions = _read_stdin(settings)
            else:
                submissions = _list_submissions(settings, prefix, after=progress.last_key)
            submitter = PrefixSubmitter(sender, topic, RateLimiter(args.rate), state_file)
            events += submitter.submit(prefix, submissions, errors)
    errors.print(f"{events} events are on {topic}.", style="green")
    if args.json:
        print(json.dumps({"events": events, "topic": topic}))
    return 0


class PrefixSubmitter:
    """Sends the submissions of one prefix and writes into the state how far they are acknowledged."""

    def __init__(
        self, sender: Sender[Submission], topic: str, limiter: RateLimiter, state_file: StateFile[SubmitState]
    ) -> None:
        self._sender = sender
        self._topic = topic
        self._limiter = limiter
        self._state_file = state_file

    def submit(self, prefix: str, submissions: Iterator[Submission], errors: Console) -> int:
        """Send all submissions and return how many were acknowledged; write the state however this ends."""
        prefixes = self._state_file.state.prefixes
        events_before = prefixes[prefix].events
        display = ProgressDisplay(errors, partial(errors.print, style="dim"), interval_s=PROGRESS_INTERVAL_S)

        def note(acknowledged: list[Submission]) -> None:
            if acknowledged:
                events = prefixes[prefix].events + len(acknowledged)
                prefixes[prefix] = PrefixProgress(last_key=acknowledged[-1].key, events=events)
                display.update(f"{prefix}: {events} events acknowledged, at {acknowledged[-1].key}")
            self._state_file.save_now_and_then()

        try:
            with display:
                messages = ((submission.message, submission) for submission in submissions)
                send_paced(self._sender, self._topic, messages, limiter=self._limiter, on_acknowledged=note)
            prefixes[prefix] = prefixes[prefix].model_copy(update={"finished": True})
        finally:
            self._state_file.save()
            if not prefixes[prefix].finished:
                hint = "; the same command goes on from there" if self._state_file.path else ""
                errors.print(f"Stopped after {prefixes[prefix].events} events{hint}", style="yellow")
        return prefixes[prefix].events - events_before


def _list_submissions(settings: Settings, url: str, *, after: str) -> Iterator[Submission]:
    bucket, prefix = _parse_url(url, "")
    _check_bucket(settings, bucket)
    for listed in list_bucket(settings.store, bucket, prefix, after=after):
        if not listed.key.endswith("/"):  # a marker by which consoles show a folder
            yield Submission(bucket, listed.key, listed.etag)


def _read_stdin(settings: Settings) -> Iterator[Submission]:
    for number, line in enumerate(sys.stdin, start=1):
        url = line.rstrip("\r\n")
        if url:
            bucket, key = _parse_url(url, f"line {number} of stdin: ")
            _check_bucket(settings, bucket)
            yield Submission(bucket, key)


def _parse_url(url: str, where: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket:
        raise FatalError(f"{where}{escape_unprintable(url)} is not s3://bucket/key")
    return bucket, key


def _check_bucket(settings: Settings, bucket: str) -> None:
    if bucket not in settings.store.buckets:
        raise BadSettings(
            f"bucket {escape_unprintable(bucket)} is not on the allow-list, and a worker would refuse it: "
            "add it to ZOOMIN_STORE__BUCKETS, here and there"
        )
