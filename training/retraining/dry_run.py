"""A night as a dry run sees it: every command with its memory, and what would be promoted where.

Neither a GPU nor weights are needed: memory is counted from the shape of `model_size`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from pipeline.errors import BadSettings
from pipeline.vllm.options import EngineOptions
from training.common.machine import Gpus
from training.dry_run import training_verb
from training.dry_run.engine_verb import TRAIN_SETTING, plan_engine_verb
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step import DryStep
from training.retraining.annotate import Annotators
from training.retraining.chain import CREATED_BY, TITLES
from training.retraining.config import GRPO_STAGES, NightConfig, StageName
from training.retraining.labeled_set import locate_set
from training.retraining.night import SET
from training.retraining.places import NightPlaces
from training.runs.profile_choice import ProfileChoice
from training.runs.run_file import RunFile

NIGHT, SNAPSHOT, CHAMPION = "NIGHT", "SNAPSHOT", "CHAMPION"
"""stand for names that only the labels and the registry give"""
CONFIG_FILE, PROCESSES, FSDP = "--config_file", "--num_processes", "FSDP"


def plan_night(config: NightConfig, annotators: Annotators, gpus: Gpus, engine: EngineOptions) -> list[DryStep]:
    """Plan every step of a night. Raises: BadSettings for a launcher's file that cannot be read."""
    directory, champion = config.work / NIGHT, Path(CHAMPION)
    start = champion if config.start == "champion" or config.base_model is None else config.base_model
    data = directory / SET if annotators.names else locate_set(config, SNAPSHOT)
    places = NightPlaces(config, directory, start, data)
    shape = ModelShape.read(config.model_size)
    return [
        _plan_snapshot(config, data),
        _plan_build(places, annotators),
        *(_plan_training(places, stage, shape, gpus) for stage in config.stages),
        *_plan_engines(places, champion, shape, gpus, engine),
        *_plan_promotion(places),
    ]


def _plan_snapshot(config: NightConfig, data: Path) -> DryStep:
    section = config.snapshot
    words = ["snapshot", config.labels, "--base", str(config.base), "--out", config.snapshots]
    options = ["--base-share", f"{section.base_share:g}", "--least", str(section.least)]
    note = f"nothing runs with fewer than {config.least_new_labels} new labels since the champion, and no drift alarm"
    return DryStep(
        "snapshot",
        ["zoomin-train", *words, *options],
        reads=[config.labels, str(config.base)],
        writes=[config.snapshots, str(data)],
        notes=[note],
    )


def _plan_build(places: NightPlaces, annotators: Annotators) -> DryStep:
    asked = f"asks {' and '.join(annotators.names)}" if annotators.names else "skipped: no endpoint is set"
    written = [str(places.data)] if annotators.names else []
    return DryStep("explanations and boxes", [f"({asked})"], reads=[SNAPSHOT], writes=written)


def _plan_training(places: NightPlaces, stage: StageName, shape: ModelShape, gpus: Gpus) -> DryStep:
    """Plan a training as the configuration launches it."""
    config, section = places.config, places.config.get_training(stage)
    words = places.build_training(stage)
    choice = ProfileChoice(section.profile, {}, RunFile(None, section.profile, section.values))
    reads, out = [words[1], str(places.data)], str(places.locate_stage(stage))
    grpo = GRPO_STAGES.get(stage)
    verb = (
        training_verb.describe_grpo(shape, words, choice, grpo, gpus, reads=reads, out=out)
        if grpo
        else training_verb.describe_sft(shape, words, choice, reads=reads, out=out)
    )
    step = training_verb.plan_training(verb, gpus, [parse_launcher(config.launch)])
    command = [*config.launch, "-m", "training", *words] if config.launch else ["zoomin-train", *words]
    return replace(step, title=TITLES[stage], command=command)


def parse_launcher(words: Sequence[str]) -> Launch:
    """Return the processes that a launcher's words start, by its configuration file. Raises: BadSettings."""
    if not words:
        return Launch(1)
    values = {option: words[words.index(option) + 1] for option in (CONFIG_FILE, PROCESSES) if option in words[:-1]}
    path = Path(values.get(CONFIG_FILE, ""))
    try:
        file = yaml.safe_load(path.read_text()) if CONFIG_FILE in values else {}
        count = int(values.get(PROCESSES) or file.get("num_processes", 1))
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise BadSettings(
            f"launch: {path} cannot be read ({error}); name one as in infra/accelerate by {CONFIG_FILE}"
        ) from error
    sharded = str(file.get("distributed_type", "")).upper() in (FSDP, "DEEPSPEED")
    return Launch(count, "sharded" if sharded and count > 1 else "whole")


def _plan_engines(
    places: NightPlaces, champion: Path, shape: ModelShape, gpus: Gpus, engine: EngineOptions
) -> Iterator[DryStep]:
    """Plan the steps that ask an engine, each on the fewest GPUs that hold the model."""
    challenger, data = str(places.challenger), str(places.data)
    sets = {"golden": f"{data}:golden", "new": f"{places.new_kinds}:test", "base": f"{places.config.base}:test"}
    card = f"{challenger}/zoomin.json"
    verbs = (
        ("calibration", places.build_calibration(places.challenger), [data], [card]),
        ("evaluation", places.build_evaluation(), [data], [card, f"{challenger}/README.md"]),
        ("gate", places.build_gate(champion, sets), [str(champion), *sets.values()], [f"{places.gate}/report.html"]),
    )
    for title, words, reads, writes in verbs:
        command = ["zoomin-train", *words]
        yield plan_engine_verb(
            title, command, shape, engine, gpus, setting=TRAIN_SETTING, reads=[challenger, *reads], writes=writes
        )


def _plan_promotion(places: NightPlaces) -> Iterator[DryStep]:
    address = places.config.address
    revision = f"{address}/revisions/sha256-..."
    yield DryStep(
        "push",
        ["zoomin-train", "models", "push", str(address), str(places.challenger)],
        reads=[str(places.challenger)],
        writes=[revision],
        notes=[f"with {places.config.smoke_images} smoke questions at most, if the gate passes"],
    )
    manual = places.config.promotion == "manual"
    by_night = f"by {CREATED_BY}, unless another champion was promoted meanwhile"
    yield DryStep(
        "promotion",
        ["zoomin-train", "models", "promote", revision, "--reason", "passed the gate"],
        reads=[revision],
        writes=[f"{address}/champion.json"],
        notes=["a person runs this command" if manual else by_night],
    )
