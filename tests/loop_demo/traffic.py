"""Traffic at a steady rate, whose truth is known: scenes of known kinds, and from a marked event on also of new ones.

Invariant: an event is in the ledger only after the broker acknowledged it, so a demo that was killed sends again at
most its last event, under the same id.
"""

import json
import threading
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kafka import KafkaProducer
from pydantic import BaseModel, ConfigDict

from pipeline import images
from pipeline.verdict import Verdict
from tests.loop_demo.plan import IMAGES, TOPICS, LoopDemoPlan
from training.dataset.labeled_image import LabeledImage
from training.synthetic.scenes import TRAINED, Scene, draw_scene
from training.synthetic.unseen import UNSEEN

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACKNOWLEDGED_S = 60.0
STOPPED_S = 30.0
PERIOD = 16
"""pairs of scenes after which kinds repeat; a pair is a real and a generated scene"""


class Kind(StrEnum):
    KNOWN = "known"
    """artifacts that the first champion was trained on"""
    NEW = "new"
    """artifacts that no training draws"""


class SentEvent(BaseModel):
    """One event of the traffic, with the truth about its image."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    number: int
    event_id: str
    key: str
    kind: Kind
    label: Verdict
    boxes: list[tuple[int, int, int, int]]
    sent_at: float

    def build_labeled_image(self) -> LabeledImage:
        return LabeledImage(file=self.key, label=self.label, boxes=self.boxes)


def choose_kind(number: int, plan: LoopDemoPlan) -> Kind:
    """Return the kind of an event; two neighbours, a real and a generated scene, are of one kind."""
    if number < plan.before:
        return Kind.KNOWN
    return Kind.NEW if number // 2 % PERIOD < plan.new_share * PERIOD else Kind.KNOWN


def draw_event_scene(number: int, plan: LoopDemoPlan) -> Scene:
    style = UNSEEN["unseen_artifacts"] if choose_kind(number, plan) is Kind.NEW else TRAINED
    return draw_scene(plan.seed + number, style)


def read_ledger(path: Path) -> list[SentEvent]:
    """Read the events that were sent so far; a line that was cut by a kill is no event."""
    if not path.exists():
        return []
    lines = path.read_text().rpartition("\n")[0].splitlines()
    return [SentEvent.model_validate_json(line) for line in lines]


class Traffic:
    """Sends from a thread of its own while its `with` block runs, on from the last event of the ledger."""

    def __init__(self, plan: LoopDemoPlan, client: "S3Client", bootstrap_servers: str, ledger: Path) -> None:
        self._plan = plan
        self._client = client
        self._ledger = ledger
        self._sent = read_ledger(ledger)
        ledger.write_text("".join(f"{event.model_dump_json()}\n" for event in self._sent))
        self._producer = KafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True)
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    @property
    def sent(self) -> Sequence[SentEvent]:
        """The events so far. Raises: RuntimeError if sending has failed."""
        if self._failure is not None:
            raise RuntimeError(f"the traffic ended: {self._failure}") from self._failure
        return tuple(self._sent)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(STOPPED_S)
        self._producer.close(timeout=5)

    def _run(self) -> None:
        try:
            began, first = time.monotonic(), len(self._sent)
            while not self._stopping.wait(max(0.0, self._find_due_s(first, began))):
                self._send(len(self._sent))
        except Exception as error:  # noqa: BLE001 - `sent` raises it in the thread that reads
            self._failure = error

    def _find_due_s(self, first: int, began: float) -> float:
        return began + (len(self._sent) - first) / self._plan.rate - time.monotonic()

    def _send(self, number: int) -> None:
        scene, kind = draw_event_scene(number, self._plan), choose_kind(number, self._plan)
        event_id, key = f"demo-{number:06d}", f"{kind}/{scene.file}"
        self._client.put_object(Bucket=IMAGES, Key=key, Body=images.encode_png(scene.image.pixels))
        value = {"schema_version": 1, "id": event_id, "url": f"s3://{IMAGES}/{key}", "source": "demo"}
        topic = TOPICS["ZOOMIN_KAFKA__INPUT_TOPIC"]
        self._producer.send(topic, json.dumps(value).encode(), key=event_id.encode()).get(timeout=ACKNOWLEDGED_S)
        event = SentEvent(
            number=number,
            event_id=event_id,
            key=key,
            kind=kind,
            label=scene.label,
            boxes=[box.corners for box in scene.boxes] if scene.label is Verdict.GENERATED else [],
            sent_at=time.time(),
        )
        with self._ledger.open("a") as stream:
            stream.write(f"{event.model_dump_json()}\n")
        self._sent.append(event)
