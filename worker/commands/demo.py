"""`zoomin demo`: send images with a known truth through the whole pipeline and write a report of the verdicts."""

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from rich.text import Text

from pipeline.errors import FatalError
from pipeline.evidence.card import draw_evidence_card
from pipeline.wire.messages import VerdictEvent
from worker.cli.progress import ProgressDisplay
from worker.cli.stream import silence_kafka_logging
from worker.cli.terminal import build_console, build_headline, escape_unprintable
from worker.common.settings import Settings, is_broker_named, override_settings
from worker.demo.child import Demo, build_child_error, get_log_path, run_child
from worker.demo.report import Case, Summary, render_report
from worker.demo.scenes import Scene, assign_answer, draw_scenes, send_events, upload_scenes
from worker.demo.site import open_own_site, start_local_site
from worker.kafka.topic_reader import TopicReader
from worker.local.child_supervisor import SupervisedProcess
from worker.serving.revisions import fetch_model

NAME = "demo"
HELP = "the whole pipeline on images with a known truth, ending in a page of evidence"
IMAGES = 64
FIRST_VERDICT_WITHIN_S = 900.0
NEXT_VERDICT_WITHIN_S = 300.0
PROGRESS_INTERVAL_S = 30.0
WORKER_GRACE_S = 40.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=_parse_count, default=IMAGES, metavar="N", help=f"how many (default {IMAGES})")
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
    silence_kafka_logging()
    demo = Demo(args.out.resolve(), build_console(stderr=args.json))
    settings: Settings = args.settings()
    demo.directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        model = fetch_model(settings.engine, settings.store, notify=demo.notify)  # from the S3 of the user's settings
        stack.enter_context(model.hold)
        override_settings({"ZOOMIN_ENGINE__MODEL": str(model.checkpoint.path)}, without=("ZOOMIN_ENGINE__FOLLOW_S",))
        if is_broker_named():
            demo.notify(f"Using your Kafka at {settings.kafka.bootstrap_servers}, under the names zoomin.demo.*")
            settings = open_own_site(may_create=args.create)
        else:
            settings = stack.enter_context(start_local_site(demo.notify))
        demo.notify(f"Starting a worker on {model.checkpoint.name}: its engine takes a minute or two on a CPU")
        worker = stack.enter_context(run_child(demo, "worker", ["worker", "run"], grace_s=WORKER_GRACE_S))
        scenes = draw_scenes(demo, args.images)
        topics = (settings.kafka.verdict_topic, settings.kafka.dead_letter_topic)
        reader = stack.enter_context(TopicReader(settings.kafka, *topics, since=None))
        asyncio.run(upload_scenes(settings, scenes))
        send_events(settings, scenes)
        demo.notify(f"{len(scenes)} images are in S3 and their events in Kafka; waiting for verdicts")
        await_verdicts(demo, scenes, reader, worker)
        demo.notify("Writing the report")
        report, summary = write_report(demo, scenes)
        _print_conclusion(demo, report, summary)
        demo.notify("Stopping everything that was started")
    if args.json:
        print(json.dumps(build_results(report, summary)))
    return 0 if summary.answered == summary.images else 1


def await_verdicts(demo: Demo, scenes: Sequence[Scene], reader: TopicReader, worker: SupervisedProcess) -> None:
    """Print the answer to each scene until all are answered.

    Raises: FatalError if the worker ends or no verdict comes in time.
    """
    open_scenes = {scene.event_id: scene for scene in scenes}
    last_verdict_at, patience_s = time.monotonic(), FIRST_VERDICT_WITHIN_S
    with ProgressDisplay(demo.out, demo.notify, interval_s=PROGRESS_INTERVAL_S, total=len(scenes)) as progress:
        for record in reader.read_live():
            scene = assign_answer(record, open_scenes) if record else None
            if scene is not None:
                del open_scenes[scene.event_id]
                print_scene(demo, scene)
                last_verdict_at, patience_s = time.monotonic(), NEXT_VERDICT_WITHIN_S
            if not open_scenes:
                return
            if worker.returncode is not None:
                raise build_child_error(demo, "worker", worker.returncode)
            if time.monotonic() - last_verdict_at > patience_s:
                raise FatalError(
                    f"no verdict for {patience_s:.0f} s; the worker's log is {get_log_path(demo, 'worker')}"
                )
            answered = len(scenes) - len(open_scenes)
            progress.update(_describe_wait(demo, answered, len(scenes)), completed=answered)


def _describe_wait(demo: Demo, answered: int, images: int) -> str:
    if answered or "worker_started" in get_log_path(demo, "worker").read_text(errors="replace"):
        return f"{answered} of {images} images answered"
    return "The engine is still starting"


def print_scene(demo: Demo, scene: Scene) -> None:
    if scene.event is None:
        demo.out.print(Text(escape_unprintable(f"{scene.path.name}: {scene.problem}"), "red"))
        return
    mark = ("right  ", "green") if scene.event.verdict is scene.truth else ("wrong  ", "bold red")
    line = build_headline(scene.event, seconds=measure_work_s(scene.event), place=scene.path.name)
    demo.out.print(Text.assemble(mark, line), no_wrap=True, overflow="ellipsis", crop=True)


def write_report(demo: Demo, scenes: Sequence[Scene]) -> tuple[Path, Summary]:
    cases = [build_case(scene) for scene in scenes]
    summary = Summary.from_cases(cases, seconds=time.monotonic() - demo.began)
    path = demo.directory / "report.html"
    path.write_text(render_report(cases, summary), encoding="utf-8")
    return path, summary


def build_case(scene: Scene) -> Case:
    event = scene.event
    if event is None:
        return Case(scene.path.name, scene.truth, None, problem=scene.problem)
    with Image.open(scene.path) as file:  # drawn by our own code: no untrusted input
        drawn = draw_evidence_card(file.convert("RGB"), event)
    return Case(scene.path.name, scene.truth, event, drawn, measure_work_s(event))


def measure_work_s(event: VerdictEvent) -> float:
    """Return the time from fetch to verdict, without the wait for a slot and for the engine's start."""
    return event.timing_s["total"] - event.timing_s["queued"]


def build_results(report: Path, summary: Summary) -> dict[str, object]:
    """Build the object that `--json` prints; its names are a contract."""
    return {
        "images": summary.images,
        "answered": summary.answered,
        "acc": summary.acc.value if summary.acc else None,
        "i_acc": summary.i_acc.value if summary.i_acc else None,
        "acc_published": summary.acc_published.value if summary.acc_published else None,
        "corrected": summary.corrected,
        "seconds": round(summary.seconds, 1),
        "report": str(report),
    }


def _print_conclusion(demo: Demo, report: Path, summary: Summary) -> None:
    shares = (summary.i_acc, summary.acc, summary.acc_published)
    i_acc, acc, acc_published = (f"{share.value:.1%}" if share else "n/a" for share in shares)
    demo.out.print()
    demo.out.print(
        Text.assemble(
            f"Right verdicts: {i_acc} by the global scan alone, ",
            (f"{acc} after zooming in", "bold"),
            f", {acc_published} as published",
        )
    )
    demo.out.print(
        f"{summary.answered} of {summary.images} images answered in {summary.seconds:.0f} s; zooming in corrected "
        f"{summary.corrected_right} to the right verdict and {summary.corrected_wrong} to the wrong one"
    )
    demo.out.print(Text.assemble("Report: ", (report.as_uri(), "cyan")), soft_wrap=True)


def _parse_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 10_000:
        raise argparse.ArgumentTypeError(f"{count} is not between 1 and 10,000")
    return count
