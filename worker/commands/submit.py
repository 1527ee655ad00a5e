"""`zoomin submit`: send events for images that are already in a bucket."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from pipeline.errors import BadSettings, BrokerUnavailable, FatalError
from pipeline.wire.events import ImageEventMessage
from worker.cli.progress import ProgressDisplay
from worker.cli.sending import RateLimiter, Sender, parse_rate
from worker.cli.stream import silence_kafka_logging
from worker.cli.terminal import build_console, escape_unprintable
from worker.common.settings import Settings
from worker.storage.buckets import list_bucket

NAME = "submit"
HELP = "send an event for every object below a prefix, or for every URL on stdin"
SAVE_INTERVAL_S = 1.0
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

    @classmethod
    def read(cls, path: Path) -> "SubmitState":
        """Read the file, or return an empty state if there is none.

        Raises: BadSettings if the file is no state of `zoomin submit`.
        """
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            raise BadSettings(f"{path} is no state file of `zoomin submit`: name another one, or remove it") from error

    def write(self, path: Path) -> None:
        """Replace the file atomically, so that a crash leaves the old or the new content."""
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(self.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)


@dataclass(frozen=True, slots=True)
class Submission:
    """An event to send, and the key after which a later run goes on."""

    bucket: str
    key: str
    etag: str | None = None

    @property
    def value(self) -> bytes:
        message = ImageEventMessage(url=f"s3://{self.bucket}/{self.key}", etag=self.etag)
        return message.model_dump_json(exclude_none=True, exclude={"attributes"}).encode()


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
    state = SubmitState.read(args.state) if args.state else SubmitState()
    events = 0
    with Sender[Submission](settings.kafka) as sender:
        for prefix in args.what:
            progress = state.prefixes.setdefault(prefix, PrefixProgress())
            if progress.finished:
                sentence = f"{prefix} was submitted before; remove {args.state} to do it again"
                errors.print(escape_unprintable(sentence), style="dim")
                continue
            if prefix == "-":
                submissions = _read_stdin(settings)
            else:
                submissions = _list_submissions(settings, prefix, after=progress.last_key)
            submitter = PrefixSubmitter(sender, topic, RateLimiter(args.rate), state, args.state)
            events += submitter.submit(prefix, submissions, errors)
    errors.print(f"{events} events are on {topic}.", style="green")
    if args.json:
        print(json.dumps({"events": events, "topic": topic}))
    return 0


class PrefixSubmitter:
    """Sends the submissions of one prefix and writes into the state how far they are acknowledged."""

    def __init__(
        self, sender: Sender[Submission], topic: str, limiter: RateLimiter, state: SubmitState, path: Path | None
    ) -> None:
        self._sender = sender
        self._topic = topic
        self._limiter = limiter
        self._state = state
        self._path = path
        self._saved_at = time.monotonic()

    def submit(self, prefix: str, submissions: Iterator[Submission], errors: Console) -> int:
        """Send all submissions and return how many were acknowledged; write the state however this ends."""
        prefixes = self._state.prefixes
        events_before = prefixes[prefix].events
        display = ProgressDisplay(errors, partial(errors.print, style="dim"), interval_s=PROGRESS_INTERVAL_S)
        try:
            with display:
                for submission in submissions:
                    self._limiter.wait()
                    self._sender.send(
                        self._topic,
                        key=f"{submission.bucket}/{submission.key}".encode(),
                        value=submission.value,
                        label=submission,
                    )
                    self._update_state(prefix, self._sender.take_acknowledged())
                    progress = prefixes[prefix]
                    display.update(f"{prefix}: {progress.events} events acknowledged, at {progress.last_key}")
                self._update_state(prefix, self._sender.finish())
            prefixes[prefix] = prefixes[prefix].model_copy(update={"finished": True})
        finally:
            with suppress(BrokerUnavailable):
                self._update_state(prefix, self._sender.take_acknowledged())
            if self._path:
                self._state.write(self._path)
            if not prefixes[prefix].finished:
                hint = "; the same command goes on from there" if self._path else ""
                errors.print(f"Stopped after {prefixes[prefix].events} events{hint}", style="yellow")
        return prefixes[prefix].events - events_before

    def _update_state(self, prefix: str, acknowledged: list[Submission]) -> None:
        if acknowledged:
            events = self._state.prefixes[prefix].events + len(acknowledged)
            self._state.prefixes[prefix] = PrefixProgress(last_key=acknowledged[-1].key, events=events)
        if self._path and time.monotonic() - self._saved_at > SAVE_INTERVAL_S:
            self._state.write(self._path)
            self._saved_at = time.monotonic()


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
