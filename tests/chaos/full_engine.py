"""The engine dies with 384 events in flight, one of which ends every further engine that is asked it."""

from contextlib import closing
from pathlib import Path

from pipeline import images
from pipeline.checkpoint import Checkpoint
from pipeline.verdict import RgbImage
from tests.chaos import topics
from tests.chaos.progress import wait_until_answered, wait_until_committed
from tests.chaos.sender import Event, Sender, build_event, planned
from tests.chaos.verification import Verification, verify
from tests.support.builders import build_noise, encode_image
from tests.support.paths import MODEL
from tests.support.processes.worker_process import STANDIN
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site

IN_FLIGHT = 384
EVENTS = IN_FLIGHT + 116
POISON_AT = 200
"""in the middle of those in flight at the first death"""
OVER_S = 1.0
SILENCE_S = 120.0
"""longer than an engine takes to start again and again until the poison is found"""
CODE = "engine_poison"
POISON = build_noise(seed=667)
DIGEST = images.build_view(RgbImage(POISON, "png"), Checkpoint.read(MODEL).card.scan_max_pixels).sha256
ENGINE = ("--dies-at", str(IN_FLIGHT), "--deadly", DIGEST, "--delay-s", "0.02", "--start-s", "2")


def run(kafka: KafkaForTests, store: S3ForTests, directory: Path, *, delivery: str, seed: int) -> Verification:
    """Raises: AssertionError if another event than the poison is a dead letter of the engine, or the worker ends."""
    settings = {"ZOOMIN_KAFKA__DELIVERY": delivery, "ZOOMIN_FLOW__MAX_IN_FLIGHT": str(IN_FLIGHT)}
    site = Site(kafka, store, directory, settings=settings)
    poison = build_event("poison", site.upload("poison.png", encode_image(POISON, "PNG")), "dead_letter")
    events: list[Event] = planned(site, EVENTS, seed)
    events[POISON_AT] = poison
    with (
        site.build_worker(*STANDIN, *ENGINE) as worker,
        closing(Sender(site, events, over_s=OVER_S)) as sender,
    ):
        worker.wait_until_started()
        sent = sender.start().sent()
        wait_until_answered(site, sent, silence_s=SILENCE_S)
        wait_until_committed(site, sent, silence_s=SILENCE_S)
        ended = worker.stop()
    answers = topics.answers(site)
    (place,) = [event.place for event in sent if event.event_id == "poison"]
    letters = {answer.place for answer in answers if answer.said.get("zoomin-dlt-code") == CODE}
    assert letters == {place}, f"{CODE} for {sorted(letters)} instead of {place}"
    assert ended == 0, f"it ended with {ended}; {worker.log}"
    return verify(sent, answers, topics.commits(kafka, site.environment["ZOOMIN_KAFKA__GROUP_ID"], site.images))
