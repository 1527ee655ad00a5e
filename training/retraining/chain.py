"""The steps of a night in their order, each with what decides about its result.

Invariant: a step's work may be cut off at any point; it finds what it finished before, or begins anew.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.checkpoint import Checkpoint
from pipeline.registry.address import ModelAddress
from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.promotion import promote
from pipeline.registry.push import push_revision
from pipeline.registry.registry import ModelRegistry
from training.dataset import splits
from training.dataset.labeled_image import Split
from training.errors import TrainingFailed
from training.gate.table import GateTable
from training.reports import model_card
from training.retraining import gains, smoke
from training.retraining.annotate import Annotators, annotate_set
from training.retraining.children import CommandRunner, build_words
from training.retraining.config import NightConfig, StageName
from training.retraining.places import NightPlaces
from training.retraining.prediction_plan import PredictedSet, PredictionPlan
from training.retraining.steps import Results, Step, StepOutcome
from training.runs import publishing
from training.settings import TrainSettings

PREDICT = "training.retraining.predict_stages"
CREATED_BY = "zoomin-train retrain"
MOST_GAIN_IMAGES = 1000
SMOKE_CANDIDATES = 8
"""images that are asked for one smoke question"""
TITLES: Mapping[StageName, str] = {"sft": "fine-tuning", "grpo_1": "GRPO, stage 1", "grpo_2": "GRPO, stage 2"}


@dataclass(frozen=True, slots=True)
class Night:
    """Everything that the steps work with. `snapshot` is the set of the labels, `places.data` what is trained on."""

    places: NightPlaces
    snapshot: Path
    snapshot_digest: str
    champion: RevisionManifest
    champion_path: Path
    start_revision: str
    annotators: Annotators
    registry: ModelRegistry
    runner: CommandRunner
    settings: TrainSettings

    @property
    def config(self) -> NightConfig:
        return self.places.config


def list_steps(night: Night) -> Iterator[Step]:
    """Yield the steps behind the snapshot."""
    config = night.config
    yield Step("build", "explanations and boxes", {}, lambda _: _annotate(night))
    for stage in config.stages:
        yield Step(stage, TITLES[stage], {}, partial(_train, night, stage))
    yield Step("calibrate", "calibration", _dump(config.calibrate), lambda _: _calibrate(night))
    yield Step("evaluate", "evaluation", _dump(config.evaluate), lambda _: _evaluate(night))
    yield Step("gains", "what each stage adds", {"smoke_images": config.smoke_images}, lambda _: _measure_gains(night))
    yield Step("gate", "gate", _dump(config.gate), lambda _: _judge(night))
    yield Step("push", "push", {}, lambda results: _push(night, results))
    yield Step("promote", "promotion", {"promotion": config.promotion}, lambda results: _promote(night, results))


def _dump(section: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = section.model_dump(mode="json")
    return dumped


def _annotate(night: Night) -> StepOutcome:
    if not night.annotators.names:
        return StepOutcome(
            "skipped: no endpoint is set (ZOOMIN_TRAIN_EXPLAIN_URL, _GROUND_URL); labels that are a verdict alone "
            "train the verdict"
        )
    done = annotate_set(night.snapshot, night.places.data, night.annotators, night.settings)
    failed = f"; {done.failed} keep their verdict alone, which endpoints failed on" if done.failed else ""
    asked = " and ".join(night.annotators.names)
    sentence = f"{done.annotated} of {done.lacking} labeled images that lacked them were annotated ({asked}){failed}"
    return StepOutcome(sentence, {"lacking": done.lacking, "annotated": done.annotated, "failed": done.failed})


def _train(night: Night, stage: StageName, _: Results) -> StepOutcome:
    places = night.places
    if not places.is_trained(stage):
        night.runner.require(stage, build_words(places.build_training(stage), night.config.launch))
    folder = places.locate_stage(stage) / ("sft" if stage == "sft" else "grpo")
    outcome: dict[str, Any] = json.loads((folder / publishing.OUTCOME).read_bytes())
    revision = Checkpoint.read(places.locate_stage(stage)).revision
    return StepOutcome(describe_training(outcome), {"revision": revision, "outcome": outcome})


def describe_training(outcome: Mapping[str, Any]) -> str:
    """Describe which weights a training published."""
    if outcome.get("replaces_start") is False:
        return f"the start is kept: {'; '.join(outcome['failed_checks'])}"
    differences = outcome.get("differences") or {}
    parts = [
        f"{name} {metric['value']:+.4f} [{metric['low']:+.4f}, {metric['high']:+.4f}]"
        for name, metric in differences.items()
        if metric["value"] is not None and metric["low"] is not None
    ]
    return f"new weights; on validation images {', '.join(parts)}" if parts else "new weights, judged by the gate alone"


def _calibrate(night: Night) -> StepOutcome:
    """Copy the last stage's checkpoint without measured values, calibrate it, and let it appear whole."""
    challenger = night.places.challenger
    unfinished = challenger.with_suffix(".part")
    for leftover in (unfinished, challenger):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for file in night.places.trained.iterdir():
        if file.is_file() and file.suffix != ".md":
            shutil.copyfile(file, unfinished / file.name)
    card = Checkpoint.read(night.places.trained).card
    model_card.write_checkpoint_card(unfinished, card.remove_calibration().model_copy(update={"metrics": {}}))
    night.runner.require("calibrate", build_words(night.places.build_calibration(unfinished)))
    unfinished.rename(challenger)
    checkpoint = Checkpoint.read(challenger)
    fitted = checkpoint.card.calibration
    sentence = f"temperature {fitted.temperature:.3f}, bias {fitted.bias:+.3f}" if fitted else "nothing was fitted"
    return StepOutcome(sentence, {"revision": checkpoint.revision})


def _evaluate(night: Night) -> StepOutcome:
    finished = night.runner.require("evaluate", build_words(night.places.build_evaluation()))
    metrics: dict[str, Any] = json.loads(finished.last_line)
    parts = [f"{title} {metrics[name]['value']:.3f}" for name, title in (("acc", "Acc"), ("i_acc", "I-Acc"))]
    return StepOutcome(f"{', '.join(parts)} on {metrics['acc']['n']} test images of the night's set", metrics)


def _measure_gains(night: Night) -> StepOutcome:
    """Predict the new test images by each checkpoint, and images for smoke questions by the first and the last."""
    plan = build_prediction_plan(night.places, night.settings)
    if plan.sets:
        night.runner.require("gains", [*build_words([])[:1], "-m", PREDICT, plan.model_dump_json()])
    sets = {each.name: each for each in plan.sets}
    rows = gains.compare_stages(plan.read(sets["new"])) if "new" in sets else []
    questions = []
    if "smoke" in sets:
        last = sets["smoke"].checkpoints[-1]
        predicted = plan.read(sets["smoke"])
        chosen = smoke.choose_smoke_images(
            sets["smoke"].list_entries(), predicted[last], predicted["start"], night.config.smoke_images
        )
        questions = [{"image": str(sets["smoke"].data / entry.file), "verdict": entry.label} for entry in chosen]
    return StepOutcome(gains.describe_gains(rows), {"stages": rows, "smoke": questions})


def build_prediction_plan(places: NightPlaces, settings: TrainSettings) -> PredictionPlan:
    """Plan what is predicted; a set without test images is left out."""
    config = places.config
    last = config.stages[-1]
    checkpoints = places.list_checkpoints()
    wanted = (
        ("new", places.new_kinds, MOST_GAIN_IMAGES, list(checkpoints)),
        ("smoke", places.data, SMOKE_CANDIDATES * config.smoke_images, ["start", last]),
    )
    return PredictionPlan(
        checkpoints=checkpoints,
        sets=[
            PredictedSet(name=name, data=data, count=count, checkpoints=names)
            for name, data, count, names in wanted
            if count and splits.read_split(data, Split.TEST)
        ],
        directory=places.predictions,
        tokens=config.resolve_training(last).values.validation_tokens,
        threads=settings.threads,
    )


def _judge(night: Night) -> StepOutcome:
    places = night.places
    places.write_gate_config()
    finished = night.runner.run("gate", build_words(places.build_gate(night.champion_path, list_gate_sets(places))))
    try:
        table = GateTable.model_validate_json(finished.last_line)
    except ValidationError as error:
        raise TrainingFailed(f"{finished.errors} (exit {finished.status})") from error
    failed = [row.name.value for row in table.rows if row.result == "failed"]
    sentence = f"the challenger is refused: {', '.join(failed)}" if failed else "the challenger passed"
    return StepOutcome(sentence, {"passed": table.passed, "table": table.model_dump(mode="json")}, bool(failed))


def list_gate_sets(places: NightPlaces) -> dict[str, str]:
    """Return the sets of the gate that have images, by option; the gate says what a row without one means."""
    wanted = {
        "golden": (places.data, Split.GOLDEN),
        "new": (places.new_kinds, Split.TEST),
        "base": (places.config.base, Split.TEST),
    }
    return {name: f"{data}:{split}" for name, (data, split) in wanted.items() if splits.read_split(data, split)}


def _push(night: Night, results: Results) -> StepOutcome:
    questions = results["gains"].values["smoke"]
    manifest = push_revision(
        night.registry,
        night.places.challenger,
        parent=night.start_revision,
        data_digest=night.snapshot_digest,
        gate=results["gate"].values["table"],
        smoke=smoke.read_smoke_images(questions),
        created_by=CREATED_BY,
        now=datetime.now(UTC),
    )
    size = sum(file.bytes for file in manifest.files.values())
    address = _address(night, manifest.revision)
    sentence = f"{address} has {len(manifest.files)} files, {size:,} bytes, {len(questions)} smoke questions"
    return StepOutcome(sentence, {"revision": manifest.revision})


def _promote(night: Night, results: Results) -> StepOutcome:
    revision = results["push"].values["revision"]
    address = _address(night, revision)
    if night.config.promotion == "manual":
        command = f"zoomin-train models promote {address} --reason TEXT"
        return StepOutcome(f"waits for a person: {command}", {"promoted": False})
    promote(
        night.registry,
        revision,
        by=CREATED_BY,
        reason=f"passed the gate; trained on snapshot {night.snapshot_digest[:12]}",
        now=datetime.now(UTC),
        expected=night.champion.revision,
    )
    return StepOutcome(f"{address} is the champion now", {"promoted": True, "revision": revision})


def _address(night: Night, revision: str) -> ModelAddress:
    return ModelAddress(night.registry.bucket, night.registry.name, revision)
