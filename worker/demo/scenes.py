"""Images of the demo: drawn with a known truth, uploaded, sent as events, and matched with their answers."""

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
from worker.cli.dead_letters import DeadLetter
from worker.cli.sending import Sender
from worker.common.settings import Settings
from worker.demo.child import POLL_INTERVAL_S, Demo, build_child_error, run_child
from worker.demo.site import BUCKET
from worker.storage.label_bucket import LabelBucket


class ManifestLine(BaseModel):
    """A line of the scenes' manifest, with the fields that the demo needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    file: str
    label: Verdict


@dataclass(slots=True)
class Scene:
    """One image of the demo with its verdict or problem."""

    path: Path
    truth: Verdict
    event_id: str
    event: VerdictEvent | None = None
    problem: str = ""


def draw_scenes(demo: Demo, count: int) -> list[Scene]:
    """Draw held-out scenes by `zoomin-train`, with the seeds of its evaluation. Raises: FatalError."""
    demo.notify(f"Drawing {count} held-out scenes")
    directory, run = demo.directory / "scenes", uuid.uuid4().hex[:8]
    command = ["training", "scenes", "--count", str(count), "--out", str(directory)]
    with run_child(demo, "scenes", command, grace_s=1) as process:
        while process.returncode is None:
            time.sleep(POLL_INTERVAL_S)
        if process.returncode != 0:
            raise build_child_error(demo, "scenes", process.returncode)
    lines = (directory / "manifest.jsonl").read_text().splitlines()
    drawn = (ManifestLine.model_validate_json(line) for line in lines)
    return [Scene(directory / line.file, line.label, f"demo-{run}-{Path(line.file).stem}") for line in drawn]


async def upload_scenes(settings: Settings, scenes: Sequence[Scene]) -> None:
    """Upload the scenes into the demo's bucket."""
    bucket = LabelBucket(settings.store, BUCKET)
    try:
        await asyncio.gather(*(bucket.put_image(build_key(scene), scene.path.read_bytes()) for scene in scenes))
    finally:
        bucket.close()


def build_key(scene: Scene) -> str:
    return f"{scene.event_id}.png"


def send_events(settings: Settings, scenes: Sequence[Scene]) -> None:
    with Sender[None](settings.kafka) as sender:
        for scene in scenes:
            message = ImageEventMessage(
                url=f"s3://{BUCKET}/{build_key(scene)}",
                id=scene.event_id,
                sha256=hashlib.sha256(scene.path.read_bytes()).hexdigest(),
                source="demo",
            )
            value = message.model_dump_json(exclude_none=True).encode()
            sender.send(settings.kafka.input_topic, key=scene.event_id.encode(), value=value, label=None)
        sender.finish()


def assign_answer(record: RawRecord, scenes: dict[str, Scene]) -> Scene | None:
    """Store a verdict or dead letter in its scene, and return the scene; None for a record of other events."""
    scene = scenes.get((record.get_header("zoomin-event-id") or b"").decode(errors="replace"))
    if scene is None:
        return None
    letter = DeadLetter.from_record(record)
    if letter is None:
        scene.event = VerdictEvent.model_validate_json(record.value or b"")
    else:
        scene.problem = f"dead letter {letter.code}: {letter.detail}"
    return scene
