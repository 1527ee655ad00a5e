"""A night without a model: labels, registry and places in memory and on disk, and commands that are played."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.promotion import promote
from pipeline.verdict import Verdict
from tests.support.gate_evidence import build_gate_table
from tests.support.labeled_images import build_image
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NAME, NOW, build_registry, put_revision, write_checkpoint
from tests.support.snapshots import put_labeled_case, write_base
from training.dataset import manifest
from training.evaluation import stored_predictions
from training.evaluation.metrics import Prediction
from training.labeling.bucket import LabelingBucket
from training.retraining.annotate import Annotators
from training.retraining.children import CommandRunner, Finished
from training.retraining.config import NightConfig
from training.retraining.night import NightOutcome, NightRequest, Opened, run_opened
from training.retraining.prediction_plan import PredictionPlan
from training.settings import TrainSettings
from training.snapshot.place import DirectoryPlace
from training.snapshot.snapshot import SnapshotPlan, make_snapshot

CASES = 40
VALIDATION = 200


class Killed(BaseException):
    """A kill: nothing of the process runs after it."""


@dataclass(frozen=True)
class Labels:
    """What nights begin with, built once: labeled cases in a bucket, a base, and a snapshot of both in its place."""

    root: Path
    objects: dict[str, bytes]

    @classmethod
    def build(cls, root: Path) -> "Labels":
        s3 = MemoryS3()
        bucket = LabelingBucket("labels", s3.client)
        for number in range(CASES):
            put_labeled_case(bucket, number)
        write_base(root / "base", 40)
        rows = [build_image(number, label=list(Verdict)[number % 2], split=None) for number in range(VALIDATION)]
        (root / "calibration").mkdir()
        manifest.write_manifest(root / "calibration", rows)
        plan = SnapshotPlan(root / "base", 0.5, None, None, 4)
        make_snapshot(bucket, DirectoryPlace(root / "snapshots"), plan, root / "cache")
        return cls(root, s3.objects)


@dataclass
class Stage:
    """Everything around a night; `ran` holds the commands in their order, `kill_at` the one that never ends."""

    labels: Labels
    root: Path
    s3: MemoryS3 = field(default_factory=MemoryS3)
    ran: list[list[str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    kill_at: str = ""
    passes: bool = True
    before_each: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.s3.objects = dict(self.labels.objects)
        self.champion = self.promote(put_revision(self.s3, {"config.json": b"{}", "model.safetensors": b"champion"}))
        shutil.copytree(self.labels.root / "snapshots", self.root / "snapshots", symlinks=True)

    @property
    def bucket(self) -> LabelingBucket:
        return LabelingBucket("labels", self.s3.client)

    def promote(self, revision: RevisionManifest) -> RevisionManifest:
        promote(build_registry(self.s3), revision.revision, by="test", reason="", now=NOW)
        return revision

    def read_champion(self) -> str:
        pointer = build_registry(self.s3).read_pointer()
        assert pointer is not None
        return pointer.champion.revision

    def build_config(self, **changes: object) -> NightConfig:
        values: dict[str, object] = {
            "labels": "s3://labels",
            "base": self.labels.root / "base",
            "snapshots": str(self.root / "snapshots"),
            "models": f"s3://models/models/{NAME}",
            "work": self.root / "nights",
            "least_new_labels": 20,
            "snapshot": {"least": 4},
            "calibrate": {"data": self.labels.root / "calibration"},
        }
        return NightConfig.model_validate(values | changes)

    def run(self, **changes: object) -> NightOutcome:
        request = NightRequest(
            self.build_config(**changes),
            TrainSettings(cache=self.root / "cache"),
            Annotators(None, None),
            self.said.append,
            lambda logs, show: PlayedCommands(logs, show, self),
        )
        place = DirectoryPlace(self.root / "snapshots")
        return run_opened(request, Opened(build_registry(self.s3), self.bucket, place, self.before_each))

    def list_verbs(self) -> list[str]:
        return [command[0] if command[0] != "grpo" else f"grpo {command[3]}" for command in self.ran]


class PlayedCommands(CommandRunner):
    """Plays the commands of a night: each leaves the files that the real one leaves."""

    def __init__(self, logs: Path, show: Callable[[str], None], stage: Stage) -> None:
        super().__init__(logs, show)
        self._stage = stage

    def run(self, name: str, words: Sequence[str]) -> Finished:
        if name == self._stage.kill_at:
            raise Killed
        verb = list(words)[words.index("training") + 1 :] if "training" in words else ["predict", words[-1]]
        self._stage.ran.append(verb)
        status, line = 0, ""
        match verb[0]:
            case "sft" | "grpo":
                _train(Path(verb[1]), Path(verb[verb.index("--out") + 1]), verb[0])
            case "evaluate":
                line = json.dumps({metric: {"value": 0.9, "n": 8} for metric in ("acc", "i_acc")})
            case "predict":
                _predict(PredictionPlan.model_validate_json(verb[1]))
            case "gate":
                status, line = (
                    int(not self._stage.passes),
                    build_gate_table(passed=self._stage.passes).model_dump_json(),
                )
        return Finished(status, line, "")


def _train(start: Path, out: Path, kind: str) -> None:
    (out / kind).mkdir(parents=True)
    (out / kind / "outcome.json").write_text(json.dumps({"weights": "last, not validated"}))
    write_checkpoint(out, (start / "model.safetensors").read_bytes() + kind.encode())


def _predict(plan: PredictionPlan) -> None:
    plan.directory.mkdir(parents=True, exist_ok=True)
    for predicted in plan.sets:
        for name in predicted.checkpoints:
            right = [Prediction(entry.label, entry.label, entry.label, (), ()) for entry in predicted.list_entries()]
            stored_predictions.store_predictions(plan.locate(predicted, name), {"own": right}, "played")
