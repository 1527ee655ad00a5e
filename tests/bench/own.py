"""(a) Our own code between Kafka and Kafka, with an engine that answers at once: ceiling and cost."""

import time

from PIL import Image

from pipeline import geometry, images
from pipeline.checkpoint import Checkpoint
from tests.bench.session import Session
from tests.support.processes.worker_process import STANDIN


def measure(session: Session) -> None:
    windows = []
    with session.pipeline("own", *STANDIN) as pipeline:
        pipeline.ready()
        for number, urls in enumerate(session.slices(session.plan.own_events), start=1):
            session.progress.say(f"own: {len(urls)} events, {number} of {session.plan.repeats}")
            windows.append(pipeline.judge(urls))
    ours = [sum(ms for part, ms in window.cpu_ms_per_image.items() if part.startswith("worker")) for window in windows]
    session.report.add("own_events_per_s", [window.rate_per_s for window in windows])
    session.report.add("own_cpu_ms_per_event", ours)
    session.report.detail("own_cpu_ms_per_event", [window.cpu_ms_per_image for window in windows])
    session.report.detail("own_stage_ms", [window.stage_ms for window in windows])
    session.report.detail(
        "own_standin_engine_ms_per_event", [{"digests": _digests_ms(session.checkpoint)} for _ in windows]
    )


def _digests_ms(checkpoint: Checkpoint) -> float:
    """What the stand-in engine itself costs an event: it digests the view in both queries."""
    view = Image.new("RGB", geometry.fit((512, 512), checkpoint.card.scan_max_pixels))
    began, rounds = time.process_time(), 50
    for _ in range(rounds):
        images.digest_pixels(view)
    return 2 * 1000 * (time.process_time() - began) / rounds
