"""The demo's images: drawn with a known truth, uploaded, announced, and answered."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.verdict import Verdict
from pipeline.wire.events import ImageEventMessage
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from worker.cli.letters import Letter
from worker.cli.sending import Sender
from worker.common.settings import Settings
from worker.demo.child import LOOK_EVERY_S, Demo, child, failure
from worker.demo.site import BUCKET
from worker.storage.store import LabelBucket


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
