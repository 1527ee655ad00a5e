"""One night from top to bottom: the champion, what is new, a snapshot, and the steps behind it.

Invariant: the champion pointer is changed by the last step alone. Whatever ends a night before leaves it as it is, and
the same command goes on with the same snapshot.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.registry import ModelRegistry
from pipeline.verdict import Verdict
from training.common.journal import build_key
from training.common.lease import LeasePlace, hold_lease
from training.common.model_registry import build_revision_cache, open_registry
from training.common.whole_file import write_whole
from training.dataset import splits
from training.dataset.labeled_image import Split
from training.evaluation import calibrate
from training.labeling.bucket import LabelingBucket, open_labeling_bucket
from training.retraining import new_kinds
from training.retraining.annotate import Annotators
from training.retraining.chain import Night, list_steps
from training.retraining.children import CommandRunner
from training.retraining.config import NightConfig, render_config
from training.retraining.labeled_set import LabeledSet, bring_set, locate_set, make_set
from training.retraining.news import read_news
from training.retraining.places import NightPlaces
from training.retraining.report import NightReport
from training.retraining.steps import Results, Step, StepOutcome, read_step_result, run_steps
from training.settings import TrainSettings
from training.snapshot.place import SnapshotPlace, open_place

STATE, CONFIG, SET = "night.json", "config.yaml", "set"
Notify = Callable[[str], None]
CreateRunner = Callable[[Path, Notify], CommandRunner]


@dataclass(frozen=True, slots=True)
class NightOutcome:
    """The end of a night in a sentence; without `directory` there was nothing to do."""

    sentence: str
    succeeded: bool
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class NightRequest:
    """What is asked of a night; `create_runner` builds who runs its commands, from their logs' place."""

    config: NightConfig
    settings: TrainSettings
    annotators: Annotators
    notify: Notify
    create_runner: CreateRunner = CommandRunner


@dataclass(frozen=True, slots=True)
class Opened:
    """What a night works on, opened and held."""

    registry: ModelRegistry
    bucket: LabelingBucket
    place: SnapshotPlace
    check_lease: Callable[[], None]


def run_night(request: NightRequest) -> NightOutcome:
    """Run a night, or go on with one that was cut off.

    Raises: LeaseHeld while another one runs; BadSettings and the errors of the steps, each with the way to go on.
    """
    refuse_refused_start(request.config)
    with _open_all(request) as opened:
        return run_opened(request, opened)


def run_opened(request: NightRequest, opened: Opened) -> NightOutcome:
    """Run a night under its lease. Raises: as `run_night`."""
    config, notify = request.config, request.notify
    champion = read_champion(opened.registry)
    news = read_news(opened.bucket, opened.place, champion, config.drift_report)
    if reason := news.find_reason_to_wait(config.least_new_labels):
        return NightOutcome(f"nothing to do: {reason}", succeeded=True)
    notify(news.describe())
    cache = build_revision_cache(request.settings, notify)
    with cache.fetch(opened.registry, champion.revision) as champion_path:
        base = config.base_model if config.start == "base" else None
        start = Checkpoint.read(base or champion_path)
        labeled, places = _choose_set(request, opened, champion, start)
        revisions = {"champion": champion.revision, "start": start.revision, "snapshot": labeled.digest}
        report = NightReport(places, revisions, news, notify)
        night = Night(
            places=places,
            snapshot=locate_set(config, labeled.digest),
            snapshot_digest=labeled.digest,
            champion=champion,
            champion_path=champion_path,
            start_revision=start.revision,
            annotators=request.annotators,
            registry=opened.registry,
            runner=request.create_runner(places.directory / "logs", report.show_line),
            settings=request.settings,
        )
        steps = [_build_snapshot_step(night, opened, labeled), *list_steps(night)]
        report.plan(steps)
        results = run_steps(steps, places.directory, report, before_each=opened.check_lease)
    outcome = conclude(results, places.directory)
    report.conclude(outcome.sentence)
    return outcome


def _choose_set(
    request: NightRequest, opened: Opened, champion: RevisionManifest, start: Checkpoint
) -> tuple[LabeledSet, NightPlaces]:
    """Return the set of a night that was cut off, or else a new one, and the places of the night."""
    config = request.config
    training = build_training_key(config, [champion.revision, start.revision], request.annotators)
    labeled = find_unfinished(config.work, training)
    if labeled:
        request.notify(f"going on with the night of snapshot {labeled.digest[:12]}, which was cut off")
    else:
        labeled = make_set(opened.bucket, opened.place, config, request.settings)
    directory = config.work / f"{labeled.digest[:12]}-{build_key(labeled.digest, training)[:12]}"
    open_directory(directory, training, labeled.digest, config)
    data = directory / SET if request.annotators.names else locate_set(config, labeled.digest)
    return labeled, NightPlaces(config, directory, start.path, data)


@contextmanager
def _open_all(request: NightRequest) -> Iterator[Opened]:
    config, settings = request.config, request.settings
    with ExitStack() as stack:
        registry = stack.enter_context(open_registry(config.address, settings))
        bucket = stack.enter_context(open_labeling_bucket(config.labels, settings))
        place = stack.enter_context(open_place(config.snapshots, settings))
        key = f"models/{registry.name}/night-lease.json"
        leased = LeasePlace(registry.client, registry.bucket, key, f"the night of {registry.name}")
        lease = stack.enter_context(hold_lease(leased, notify=request.notify))
        yield Opened(registry, bucket, place, lease.check)


def refuse_refused_start(config: NightConfig) -> None:
    """Refuse a base that a night has made: it may be a challenger that the gate refused. Raises: BadSettings."""
    if config.base_model and config.base_model.resolve().is_relative_to(config.work.resolve()):
        raise BadSettings(
            f"base_model {config.base_model} lies among the nights in {config.work}, where refused challengers lie; "
            "name a frozen checkpoint, or start: champion"
        )


def read_champion(registry: ModelRegistry) -> RevisionManifest:
    """Read the manifest of the champion. Raises: BadSettings if there is none, or the pointer leads to nothing."""
    pointer = registry.read_pointer()
    if pointer is None:
        raise BadSettings(
            f"s3://{registry.bucket}/models/{registry.name} has no champion, which a night starts from and is compared "
            "with; push a first revision and promote it with `zoomin-train models push` and `promote`"
        )
    return registry.read_manifest(pointer.champion.revision)


def _build_snapshot_step(night: Night, opened: Opened, labeled: LabeledSet) -> Step:
    """Build the step that brings the set to this machine, and finds what is new in it and too little."""

    def bring(_: Results) -> StepOutcome:
        data = bring_set(opened.place, night.config, labeled.digest)
        known = new_kinds.read_known_files(opened.place, night.champion.data_digest)
        rows = new_kinds.list_new_rows(data, known)
        tested = new_kinds.write_new_set(night.places.new_kinds, data, rows)
        refuse_uncalibrated(night.config.calibrate.data or data)
        sentence = f"{labeled.digest[:12]}: {len(rows)} images are new, {tested} of them for tests"
        values = {"new": new_kinds.count_by_source(rows), "new_images": len(rows), "new_test_images": tested}
        return StepOutcome(sentence, values, earlier_s=labeled.seconds)

    return Step("snapshot", "snapshot", {"calibrated_on": str(night.config.calibrate.data)}, bring)


def refuse_uncalibrated(data: Path) -> None:
    """Refuse a set on which the challenger could not be calibrated, before hours of training. Raises: BadSettings."""
    labels = [row.label for row in splits.read_split(data, Split.VALIDATION)]
    half = [label for each in Verdict for label in [label for label in labels if label is each][::2]]
    calibrate.refuse_too_few(half, f"half of the validation images in {data}")


def build_training_key(config: NightConfig, revisions: Sequence[str], annotators: Annotators) -> str:
    """Return a digest of all that decides about the weights, besides the snapshot."""
    trainings = {
        stage: [config.get_training(stage).minutes, config.resolve_training(stage).to_json()["values"]]
        for stage in config.stages
    }
    return build_key(*revisions, json.dumps(trainings, sort_keys=True), str(config.seed), *annotators.names)


def find_unfinished(work: Path, training: str) -> LabeledSet | None:
    """Return the set of the newest night of the same training that has not ended."""
    found = sorted(work.glob(f"*/{STATE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found:
        state = json.loads(path.read_bytes())
        if state["training"] == training and not has_ended(path.parent):
            return LabeledSet(state["snapshot"], 0.0)
    return None


def has_ended(directory: Path) -> bool:
    """Return whether a night was promoted, or refused by its gate."""
    gate = read_step_result(directory, "gate")
    return read_step_result(directory, "promote") is not None or (gate is not None and gate.ends_night)


def open_directory(directory: Path, training: str, snapshot: str, config: NightConfig) -> None:
    """Write what finds the night again, and its resolved configuration. Raises: OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in (
        (CONFIG, render_config(config)),
        (STATE, json.dumps({"training": training, "snapshot": snapshot}) + "\n"),
    ):
        with write_whole(directory / name) as unfinished:
            unfinished.write_text(text)


def conclude(results: Results, directory: Path) -> NightOutcome:
    """Say how a night has ended."""
    last = list(results.values())[-1]
    return NightOutcome(last.sentence, not last.ends_night, directory)
