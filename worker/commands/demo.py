"""`zoomin demo`: images with a known truth through the whole pipeline, and a page of what was said about them."""

import argparse
import asyncio
import hashlib
import json
import signal
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.text import Text

from pipeline.checkpoint import Checkpoint
from pipeline.errors import FatalError
from pipeline.events import ImageEventMessage
from pipeline.evidence import card
from pipeline.messages import VerdictEvent
from pipeline.record import RawRecord
from pipeline.verdict import Verdict
from worker.commands.demo_site import BUCKET, local_site, own_site
from worker.commands.letters import Letter
from worker.commands.sending import Sender
from worker.commands.stream import TopicReader, quiet_client
from worker.commands.terminal import console, headline, visible
from worker.guard import GuardedProcess
from worker.report import Case, Summary, render
from worker.settings import Settings, inherited, names_a_broker
from worker.store import LabelBucket

NAME = "demo"
HELP = "the whole pipeline on images with a known truth, ending in a page of evidence"
IMAGES = 64
FIRST_VERDICT_WITHIN_S = 900.0
NEXT_VERDICT_WITHIN_S = 300.0
SAY_INTERVAL_S = 30.0
LOOK_EVERY_S = 0.2
WORKER_GRACE_S = 40.0
LOG_LINES = 8


class Drawn(BaseModel):
    """A line of the scenes' manifest, as far as it concerns us."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    file: str
    label: Verdict


@dataclass(slots=True)
class Scene:
    """One image of the demo and what became of it."""

    path: Path
    truth: Verdict
    event_id: str
    event: VerdictEvent | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Demo:
    """One run: its directory, and where its sentences go (stderr where stdout is for programs)."""

    directory: Path
    out: Console
    began: float = field(default_factory=time.monotonic)

    def say(self, sentence: str) -> None:
        self.out.print(Text.assemble((f"{time.monotonic() - self.began:4.0f} s  ", "dim"), visible(sentence)))


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=_count, default=IMAGES, metavar="N", help=f"how many (default {IMAGES})")
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo"), metavar="DIR", help="for images, logs and report.html"
    )
    parser.add_argument("--json", action="store_true", help="the last line is the summary as one object")
    parser.add_argument(
        "--create",
        action="store_true",
        help="create the topics and the bucket zoomin.demo.* on the Kafka and S3 that the settings name",
    )
    parser.epilog = (
        "Without ZOOMIN_KAFKA__BOOTSTRAP_SERVERS a local Kafka and S3 are started, and gone at the end.\n\n"
        "example:\n  zoomin demo --images 16"
    )


def run(args: argparse.Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # each of them ends us as Ctrl-C does
    quiet_client()
    demo = Demo(args.out.resolve(), console(stderr=args.json))
    settings: Settings = args.settings()
    model = Checkpoint.read(settings.engine.model)
    demo.directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if names_a_broker():
            demo.say(f"Using your Kafka at {settings.kafka.bootstrap_servers}, under the names zoomin.demo.*")
            settings = own_site(may_create=args.create)
        else:
            settings = stack.enter_context(local_site(demo.say))
        demo.say(f"Starting a worker on {model.name}: its engine takes a minute or two on a CPU")
        worker = stack.enter_context(child(demo, "worker", ["worker", "run"], grace_s=WORKER_GRACE_S))
        scenes = draw(demo, args.images)
        topics = (settings.kafka.verdict_topic, settings.kafka.dead_letter_topic)
        reader = stack.enter_context(TopicReader(settings.kafka, *topics, since=None))
        asyncio.run(upload(settings, scenes))
        send(settings, scenes)
        demo.say(f"{len(scenes)} images are in S3 and their events in Kafka; waiting for verdicts")
        watch(demo, scenes, reader, worker)
        report, summary = write_report(demo, scenes)
        _conclude(demo, report, summary)
        demo.say("Stopping everything that was started")
    if args.json:
        print(json.dumps(results(report, summary)))
    return 0 if summary.answered == summary.images else 1


@contextmanager
def child(demo: Demo, name: str, command: Sequence[str], *, grace_s: float) -> Iterator[GuardedProcess]:
    """A module of ours as a process that ends with us; asked to end when all went well, else at once."""
    log = log_of(demo, name)
    log.unlink(missing_ok=True)
    process = GuardedProcess(
        [sys.executable, "-m", *command],
        cwd=Path.cwd(),
        output=log,
        grace_s=grace_s,
        env=inherited() | {"ZOOMIN_TELEMETRY__HTTP_PORT": "0", "ZOOMIN_TELEMETRY__LOG_FORMAT": "json"},
    )
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    process.stop()


def log_of(demo: Demo, name: str) -> Path:
    return demo.directory / f"{name}.log"


def draw(demo: Demo, count: int) -> list[Scene]:
    """Held-out scenes, drawn by `zoomin-train` as they are for its evaluation.

    Raises: FatalError.
    """
    demo.say(f"Drawing {count} held-out scenes")
    directory, run = demo.directory / "scenes", uuid.uuid4().hex[:8]
    command = ["training", "scenes", "--count", str(count), "--out", str(directory)]
    with child(demo, "scenes", command, grace_s=1) as process:
        while process.returncode is None:
            time.sleep(LOOK_EVERY_S)
        if process.returncode != 0:
            raise failure(demo, "scenes", process.returncode)
    lines = (directory / "manifest.jsonl").read_text().splitlines()
    drawn = (Drawn.model_validate_json(line) for line in lines)
    return [Scene(directory / one.file, one.label, f"demo-{run}-{Path(one.file).stem}") for one in drawn]


async def upload(settings: Settings, scenes: Sequence[Scene]) -> None:
    """As whoever takes uploads in would do it."""
    bucket = LabelBucket(settings.store, BUCKET)
    try:
        await asyncio.gather(*(bucket.put_image(key_of(scene), scene.path.read_bytes()) for scene in scenes))
    finally:
        bucket.close()


def key_of(scene: Scene) -> str:
    return f"{scene.event_id}.png"


def send(settings: Settings, scenes: Sequence[Scene]) -> None:
    with Sender[None](settings.kafka) as sender:
        for scene in scenes:
            message = ImageEventMessage(
                url=f"s3://{BUCKET}/{key_of(scene)}",
                id=scene.event_id,
                sha256=hashlib.sha256(scene.path.read_bytes()).hexdigest(),
                source="demo",
            )
            value = message.model_dump_json(exclude_none=True).encode()
            sender.send(settings.kafka.input_topic, key=scene.event_id.encode(), value=value, label=None)
        sender.finish()


def watch(demo: Demo, scenes: Sequence[Scene], reader: TopicReader, worker: GuardedProcess) -> None:
    """Shows what is said about each scene until all are answered.

    Raises: FatalError when the worker ends or falls silent.
    """
    open_scenes = {scene.event_id: scene for scene in scenes}
    heard_at, patience_s = time.monotonic(), FIRST_VERDICT_WITHIN_S
    with Waiting(demo) as waiting:
        for record in reader.live():
            scene = answer(record, open_scenes) if record else None
            if scene is not None:
                del open_scenes[scene.event_id]
                show(demo, scene)
                heard_at, patience_s = time.monotonic(), NEXT_VERDICT_WITHIN_S
            if not open_scenes:
                return
            if worker.returncode is not None:
                raise failure(demo, "worker", worker.returncode)
            if time.monotonic() - heard_at > patience_s:
                raise FatalError(f"no verdict for {patience_s:.0f} s; the worker's log is {log_of(demo, 'worker')}")
            waiting.say(len(scenes) - len(open_scenes), len(scenes))


class Waiting:
    """Says what is waited for: in a line that moves on a terminal, now and then elsewhere."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._status = demo.out.status("") if demo.out.is_terminal else None
        self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def say(self, answered: int, images: int) -> None:
        due_s = SAY_INTERVAL_S if self._status is None else LOOK_EVERY_S
        if time.monotonic() - self._said_at < due_s:
            return
        self._said_at = time.monotonic()
        started = answered or "worker_started" in log_of(self._demo, "worker").read_text(errors="replace")
        sentence = f"{answered} of {images} images answered" if started else "The engine is still starting"
        if self._status:
            self._status.update(f"{sentence} ({time.monotonic() - self._demo.began:.0f} s)")
        else:
            self._demo.say(sentence)


def answer(record: RawRecord, scenes: dict[str, Scene]) -> Scene | None:
    """The open scene that a verdict or a dead letter is about, now with its answer."""
    scene = scenes.get((record.header("zoomin-event-id") or b"").decode(errors="replace"))
    if scene is None:
        return None
    letter = Letter.of(record)
    if letter is None:
        scene.event = VerdictEvent.model_validate_json(record.value or b"")
    else:
        scene.problem = f"dead letter {letter.code}: {letter.detail}"
    return scene


def show(demo: Demo, scene: Scene) -> None:
    if scene.event is None:
        demo.out.print(Text(visible(f"{scene.path.name}: {scene.problem}"), "red"))
        return
    right = scene.event.verdict is scene.truth
    mark = Text("right  ", "green") if right else Text("wrong  ", "bold red")
    demo.out.print(
        mark.append_text(headline(scene.event, seconds=work_s(scene.event))),
        no_wrap=True,
        overflow="ellipsis",
        crop=True,
    )


def write_report(demo: Demo, scenes: Sequence[Scene]) -> tuple[Path, Summary]:
    cases = [case_of(scene) for scene in scenes]
    summary = Summary.of(cases, seconds=time.monotonic() - demo.began)
    path = demo.directory / "report.html"
    path.write_text(render(cases, summary), encoding="utf-8")
    return path, summary


def case_of(scene: Scene) -> Case:
    event = scene.event
    if event is None:
        return Case(scene.path.name, scene.truth, None, problem=scene.problem)
    with Image.open(scene.path) as file:  # drawn by us a minute ago: no stranger's
        drawn = card(file.convert("RGB"), event)
    return Case(scene.path.name, scene.truth, event, drawn, work_s(event))


def work_s(event: VerdictEvent) -> float:
    """From fetch to verdict: what waited for the engine's start says nothing about it."""
    return event.timing_s["total"] - event.timing_s["queued"]


def results(report: Path, summary: Summary) -> dict[str, object]:
    """What `--json` prints; the names are a contract."""
    return {
        "images": summary.images,
        "answered": summary.answered,
        "acc": summary.acc.value if summary.acc else None,
        "i_acc": summary.i_acc.value if summary.i_acc else None,
        "corrected": summary.corrected,
        "seconds": round(summary.seconds, 1),
        "report": str(report),
    }


def _conclude(demo: Demo, report: Path, summary: Summary) -> None:
    acc, i_acc = (f"{share.value:.1%}" if share else "n/a" for share in (summary.acc, summary.i_acc))
    demo.out.print()
    demo.out.print(
        Text.assemble(
            ("Right verdicts: ", ""), (f"{i_acc} by the global scan alone, ", ""), (f"{acc} after zooming in", "bold")
        )
    )
    demo.out.print(
        f"{summary.answered} of {summary.images} images answered in {summary.seconds:.0f} s; zooming in corrected "
        f"{summary.corrected_right} to the right verdict and {summary.corrected_wrong} to the wrong one"
    )
    demo.out.print(Text.assemble("Report: ", (report.as_uri(), "cyan")), soft_wrap=True)


def failure(demo: Demo, name: str, code: int) -> FatalError:
    log = log_of(demo, name)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return FatalError("\n".join([f"the {name} process ended with code {code}; the end of {log}:", *lines]))


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 10_000:
        raise argparse.ArgumentTypeError(f"{count} is not between 1 and 10,000")
    return count
