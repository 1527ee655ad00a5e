"""One round: traffic through a real worker, cases to annotators, labels back, and what they say of the detector.

Everything is real: Kafka, S3, the worker, Label Studio, the browser. Only the annotators are an oracle, which errs in a
share of the cases.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pipeline.errors import FatalError
from pipeline.wire.labels import LabelCase
from pipeline.wire.messages import VerdictEvent
from tests.label_demo.annotators import Annotators
from tests.label_demo.plan import DEAD_LETTERS, IMAGES, LABELS, TOPICS, LabelDemoPlan
from tests.support.label_oracle import Truth
from tests.support.processes.command_line import Commands
from tests.support.processes.worker_process import WorkerProcess
from tests.support.servers.chromium import find_chromium
from tests.support.servers.label_studio import LabelStudioForTests
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage
from training.labeling.bucket import LabelingBucket
from worker.local.kafka import DEAD_LETTER_MESSAGE_BYTES
from worker.local.s3 import REGION
from worker.local.stack import CACHE, LocalStack

ANSWER_TIMEOUT_S = 900.0
POLL_S = 1.0
BUCKET = f"s3://{LABELS}"
VERDICTS = "verdicts.jsonl"


@dataclass(frozen=True, slots=True)
class LabelDemoResults:
    """`acc_true` is known from how all the scenes were drawn; `acc_estimated` rests on the labels, if there are 30."""

    events: int
    cases: int
    labels: int
    disputed: int
    acc_true: float
    acc_estimated: Mapping[str, float | None]
    snapshot: str
    seconds: float


class Round:
    """The steps of a round, on a running stack."""

    def __init__(self, plan: LabelDemoPlan, stack: LocalStack, notify: Callable[[str], None]) -> None:
        self._plan = plan
        self._stack = stack
        self._notify = notify
        stack.create_topics(TOPICS.values(), partitions=2)
        stack.create_topics(DEAD_LETTERS.values(), max_message_bytes=DEAD_LETTER_MESSAGE_BYTES)
        stack.create_buckets([IMAGES, LABELS])
        environment = {
            **stack.build_environment(label_bucket=LABELS),
            **TOPICS,
            **DEAD_LETTERS,
            **plan.build_worker_settings(),
        }
        training = {"ZOOMIN_TRAIN_S3_ENDPOINT_URL": stack.seaweedfs.endpoint_url, "ZOOMIN_TRAIN_S3_REGION": REGION}
        self._commands = Commands(environment | training)

    def run(self) -> LabelDemoResults:
        began = time.monotonic()
        self._notify(f"Drawing {self._plan.events} scenes, of which no model of this project has seen one")
        scenes = self._draw_scenes("scenes", count=self._plan.events, seed=self._plan.seed)
        self._notify("A real worker judges them; its engine starts first")
        verdicts = self._judge(scenes)
        self._notify("Sampled cases go to annotators")
        truths = self._read_truths(scenes)
        self._push()
        annotators = Annotators(self._plan, self._read_server(), truths, self._notify)
        annotators.label_queue(find_chromium(CACHE, notify=self._notify) if self._plan.browser else None)
        self._pull()
        self._notify("What two annotators dispute goes to a third")
        self._push()
        annotators.settle_disputes()
        labels = self._pull()
        status = self._commands.run_json("training", "labels", "status", BUCKET)
        self._notify("The labels say how right the detector is on this traffic, and become a snapshot")
        return LabelDemoResults(
            events=len(verdicts),
            cases=len(truths),
            labels=labels,
            disputed=status["states"]["disputed"],
            acc_true=_measure_accuracy(verdicts, scenes),
            acc_estimated=self._estimate(),
            snapshot=self._snapshot(),
            seconds=round(time.monotonic() - began, 1),
        )

    def _draw_scenes(self, name: str, *, count: int, seed: int) -> dict[str, LabeledImage]:
        """Draw scenes into a directory of the round; return them by file."""
        directory = self._plan.out / name
        self._commands.run("training", "scenes", "--count", str(count), "--seed", str(seed), "--out", str(directory))
        return {image.file: image for image in manifest.read_manifest(directory)}

    def _judge(self, scenes: Mapping[str, LabeledImage]) -> list[VerdictEvent]:
        """Upload the scenes, send their events, and wait until a worker has answered them all; stop it then."""
        with closing(self._stack.seaweedfs.build_client()) as client:
            for key in scenes:
                client.upload_file(str(self._plan.out / "scenes" / key), IMAGES, key)
        self._commands.run("worker", "submit", f"s3://{IMAGES}/")
        verdicts = self._plan.out / VERDICTS
        with (
            WorkerProcess(self._plan.worker, self._commands.environment, self._plan.out) as worker,
            self._commands.follow("worker", "tail", "--since", "1d", "--json", into=verdicts),
        ):
            deadline = time.monotonic() + ANSWER_TIMEOUT_S
            while (answered := verdicts.read_bytes().count(b"\n")) < len(scenes):
                if not worker.running or time.monotonic() > deadline:
                    raise FatalError(f"{answered} of {len(scenes)} events are answered; see {worker.log}")
                time.sleep(POLL_S)
            worker.stop()
        return [VerdictEvent.model_validate_json(line) for line in verdicts.read_text().splitlines()]

    def _read_truths(self, scenes: Mapping[str, LabeledImage]) -> dict[str, Truth]:
        """Return the truth of each case in the labeling bucket, by its id."""
        with closing(self._stack.seaweedfs.build_client()) as client:
            bucket = LabelingBucket(LABELS, client)
            cases = [bucket.read_case(key) for key in bucket.list_case_keys()]
        return {case.case_id: Truth(case, scenes[case.image.key]) for case in cases if isinstance(case, LabelCase)}

    def _read_server(self) -> LabelStudioForTests:
        assert self._stack.label_studio is not None, "the stack of a round has a Label Studio"
        return LabelStudioForTests(self._stack.label_studio, self._stack.seaweedfs)

    def _push(self) -> None:
        pushed = self._commands.run_json("training", "labels", "push", BUCKET)
        self._notify(f"{sum(pushed['sent'].values())} cases sent, {pushed['overlap_raised']} to a further annotator")

    def _pull(self) -> int:
        """Fetch the labels; return how many the bucket has."""
        self._commands.run("training", "labels", "pull", BUCKET)
        with closing(self._stack.seaweedfs.build_client()) as client:
            return len(list(LabelingBucket(LABELS, client).list_label_keys()))

    def _estimate(self) -> dict[str, float | None]:
        report = self._commands.run_json("training", "estimate", BUCKET, "--out", str(self._plan.out / "estimate"))
        accuracy: dict[str, Any] = report["estimates"]["quantities"]["accuracy"]
        return {name: accuracy[name] for name in ("value", "low", "high")}

    def _snapshot(self) -> str:
        """Mix the labels with a base set, and return the digest that names the result."""
        base = self._plan.out / "base"
        self._draw_scenes("base-scenes", count=self._plan.base, seed=0)
        self._commands.run(
            "training",
            "build",
            str(self._plan.out / "base-scenes"),
            "--out",
            str(base),
            "--labels-only",
            "--least",
            "4",
        )
        options = ("--base", str(base), "--out", str(self._plan.out / "snapshots"), "--least", "4")
        return str(self._commands.run_json("training", "snapshot", BUCKET, *options)["digest"])


def _measure_accuracy(verdicts: Sequence[VerdictEvent], scenes: Mapping[str, LabeledImage]) -> float:
    right = sum(verdict.verdict is scenes[verdict.image.key].label for verdict in verdicts)
    return round(right / len(verdicts), 4)
