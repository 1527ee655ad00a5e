"""`zoomin submit`: events for images that are already there."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console
from rich.status import Status
from rich.text import Text

from pipeline.errors import BadSettings, BrokerUnavailable, FatalError
from pipeline.wire.events import ImageEventMessage
from worker.cli.sending import Pace, Sender, rate
from worker.cli.stream import quiet_client
from worker.cli.terminal import console, visible
from worker.common.settings import Settings
from worker.storage.store import list_objects

NAME = "submit"
HELP = "send an event for every image below a prefix, or for every URL on stdin"
SAVE_INTERVAL_S = 1.0
SAY_INTERVAL_S = 10.0


class Progress(BaseModel):
    """How far one prefix has come: the last key whose event, with all before it, is acknowledged."""

    model_config = ConfigDict(extra="forbid")
    last_key: str = ""
    events: int = 0
    finished: bool = False


class State(BaseModel):
    """What the file of --state holds."""

    model_config = ConfigDict(extra="forbid")
    format: int = 1
    prefixes: dict[str, Progress] = {}

    @classmethod
    def read(cls, path: Path) -> "State":
        """Raises: BadSettings for a file that is not ours."""
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            raise BadSettings(f"{path} is no state file of `zoomin submit`: name another one, or remove it") from error

    def write(self, path: Path) -> None:
        """Whole or not at all, whenever the power fails."""
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(self.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)


@dataclass(frozen=True, slots=True)
class Submission:
    """An event to send, and the key to go on after."""

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
    parser.add_argument("--rate", type=rate, metavar="N", help="at most N events a second")
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
    quiet_client()
    errors = console(stderr=True)
    if args.state and "-" in args.what:
        raise BadSettings("--state remembers keys of a prefix; it cannot go on in the middle of stdin")
    state = State.read(args.state) if args.state else State()
    sent = 0
    with Sender[Submission](settings.kafka) as sender:
        for what in args.what:
            progress = state.prefixes.setdefault(what, Progress())
            if progress.finished:
                errors.print(visible(f"{what} was submitted before; remove {args.state} to do it again"), style="dim")
                continue
            submissions = _from_stdin(settings) if what == "-" else _below(settings, what, after=progress.last_key)
            sent += Run(settings, sender, Pace(args.rate), errors).all(what, submissions, state, args.state)
    errors.print(f"{sent} events are on {settings.kafka.input_topic}.", style="green")
    if args.json:
        print(json.dumps({"events": sent, "topic": settings.kafka.input_topic}))
    return 0


class Run:
    """Sends the submissions of one prefix and keeps the state up with what is acknowledged."""

    def __init__(self, settings: Settings, sender: Sender[Submission], pace: Pace, errors: Console) -> None:
        self._topic = settings.kafka.input_topic
        self._sender = sender
        self._pace = pace
        self._errors = errors
        self._said_at = time.monotonic()
        self._saved_at = time.monotonic()

    def all(self, what: str, submissions: Iterator[Submission], state: State, path: Path | None) -> int:
        """How many were acknowledged. The state is written also when it ends early, however it ends."""
        before = state.prefixes[what].events
        status = self._errors.status("") if self._errors.is_terminal else nullcontext()
        try:
            with status as spinner:
                for submission in submissions:
                    self._pace.wait()
                    self._sender.send(
                        self._topic,
                        key=f"{submission.bucket}/{submission.key}".encode(),
                        value=submission.value,
                        label=submission,
                    )
                    self._keep_up(what, state, self._sender.take_acknowledged(), path)
                    self._say(what, state.prefixes[what], spinner)
                self._keep_up(what, state, self._sender.finish(), path)
            state.prefixes[what] = state.prefixes[what].model_copy(update={"finished": True})
        finally:
            with suppress(BrokerUnavailable):
                self._keep_up(what, state, self._sender.take_acknowledged(), path)
            if path:
                state.write(path)
            if not state.prefixes[what].finished:
                cure = "; the same command goes on from there" if path else ""
                self._errors.print(f"Stopped after {state.prefixes[what].events} events{cure}", style="yellow")
        return state.prefixes[what].events - before

    def _keep_up(self, what: str, state: State, acknowledged: list[Submission], path: Path | None) -> None:
        if acknowledged:
            events = state.prefixes[what].events + len(acknowledged)
            state.prefixes[what] = Progress(last_key=acknowledged[-1].key, events=events)
        if path and time.monotonic() - self._saved_at > SAVE_INTERVAL_S:
            state.write(path)
            self._saved_at = time.monotonic()

    def _say(self, what: str, progress: Progress, spinner: Status | None) -> None:
        text = visible(f"{what}: {progress.events} events acknowledged, at {progress.last_key}")
        if spinner:
            spinner.update(Text(text))
        elif time.monotonic() - self._said_at > SAY_INTERVAL_S:
            self._errors.print(text, style="dim")
            self._said_at = time.monotonic()


def _below(settings: Settings, url: str, *, after: str) -> Iterator[Submission]:
    bucket, prefix = _located(url, "")
    _admit(settings, bucket)
    for found in list_objects(settings.store, bucket, prefix, after=after):
        if not found.key.endswith("/"):  # what consoles make to show a folder
            yield Submission(bucket, found.key, found.etag)


def _from_stdin(settings: Settings) -> Iterator[Submission]:
    for number, line in enumerate(sys.stdin, start=1):
        url = line.rstrip("\r\n")
        if url:
            bucket, key = _located(url, f"line {number} of stdin: ")
            _admit(settings, bucket)
            yield Submission(bucket, key)


def _located(url: str, where: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket:
        raise FatalError(f"{where}{visible(url)} is not s3://bucket/key")
    return bucket, key


def _admit(settings: Settings, bucket: str) -> None:
    if bucket not in settings.store.buckets:
        raise BadSettings(
            f"bucket {visible(bucket)} is not on the allow-list, and a worker would refuse it: "
            "add it to ZOOMIN_STORE__BUCKETS, here and there"
        )
