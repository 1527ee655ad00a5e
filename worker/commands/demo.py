"""`zoomin demo`: images with a known truth through the whole pipeline, and a page of what was said about them."""

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image
from rich.text import Text

from pipeline.checkpoint import Checkpoint
from pipeline.errors import FatalError
from pipeline.evidence.card import card
from pipeline.wire.messages import VerdictEvent
from worker.cli.stream import TopicReader, quiet_client
from worker.cli.terminal import console, headline, visible
from worker.common.settings import Settings, names_a_broker
from worker.demo.child import LOOK_EVERY_S, Demo, child, failure, log_of
from worker.demo.report import Case, Summary, render
from worker.demo.scenes import Scene, answer, draw, send, upload
from worker.demo.site import local_site, own_site
from worker.local.child_supervisor import GuardedProcess

NAME = "demo"
HELP = "the whole pipeline on images with a known truth, ending in a page of evidence"
IMAGES = 64
FIRST_VERDICT_WITHIN_S = 900.0
NEXT_VERDICT_WITHIN_S = 300.0
SAY_INTERVAL_S = 30.0
WORKER_GRACE_S = 40.0


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
        demo.say("Writing the report")
        report, summary = write_report(demo, scenes)
        _conclude(demo, report, summary)
        demo.say("Stopping everything that was started")
    if args.json:
        print(json.dumps(results(report, summary)))
    return 0 if summary.answered == summary.images else 1


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


def show(demo: Demo, scene: Scene) -> None:
    if scene.event is None:
        demo.out.print(Text(visible(f"{scene.path.name}: {scene.problem}"), "red"))
        return
    mark = ("right  ", "green") if scene.event.verdict is scene.truth else ("wrong  ", "bold red")
    line = headline(scene.event, seconds=work_s(scene.event), place=scene.path.name)
    demo.out.print(Text.assemble(mark, line), no_wrap=True, overflow="ellipsis", crop=True)


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


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 10_000:
        raise argparse.ArgumentTypeError(f"{count} is not between 1 and 10,000")
    return count
