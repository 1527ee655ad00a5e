"""The whole way for one model: from images through both trainings to a worker, each step as it would run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.vllm.options import EngineOptions
from training.common.machine import Gpus
from training.dry_run import training_verb
from training.dry_run.engine_verb import TRAIN_SETTING, WORKER_SETTING, plan_engine_verb
from training.dry_run.launch import list_launches
from training.dry_run.shape import ModelShape
from training.dry_run.step import DryStep
from training.grpo.profiles import Stage
from training.qwen import sizes
from training.runs import profile_choice
from training.runs.profile_choice import ProfileChoice
from training.runs.profiles import ProfileName


@dataclass(frozen=True, slots=True)
class Way:
    """What the whole way starts from, where its files go, and the values that both trainings share."""

    model: str
    source: str
    data: Path
    out: Path
    profile: ProfileName
    changes: Mapping[str, Any]
    gpus: Gpus

    @property
    def start(self) -> str:
        """Return the directory to start from; a size stands for the published model."""
        return f"/models/qwen2.5-vl-{self.model}" if self.model in sizes.SIZES else self.model

    @property
    def final(self) -> str:
        return str(self.out / f"zoomin-{Path(self.model).name}")


def plan_way(way: Way) -> list[DryStep]:
    """Plan every step; none of the files has to exist."""
    shape = ModelShape.read(way.model)
    return [_plan_build(way), *_plan_trainings(way, shape), *_plan_engines(way, shape)]


def _plan_build(way: Way) -> DryStep:
    return DryStep(
        title="build",
        command=["zoomin-train", "build", way.source, "--frame", "full", "--out", str(way.data)],
        reads=[way.source],
        writes=[str(way.data)],
        notes=["explanations and boxes come from the endpoints of ZOOMIN_TRAIN_EXPLAIN_URL and _GROUND_URL"],
    )


def _plan_trainings(way: Way, shape: ModelShape) -> list[DryStep]:
    """Plan fine-tuning and both stages of GRPO, each from the checkpoint before it."""
    choice, data = ProfileChoice(way.profile, way.changes), str(way.data)
    sft, boxes = str(way.out / "sft"), str(way.out / "grpo-1")
    values = ["--profile", way.profile, *profile_choice.render_flags(way.changes)]
    words = ["sft", way.start, "--data", data, "--out", sft, *values]
    verbs = [training_verb.describe_sft(shape, words, choice, reads=[way.start, data], out=sft)]
    stages: tuple[tuple[Stage, str, str], ...] = ((1, sft, boxes), (2, boxes, way.final))
    for stage, start, out in stages:
        words = ["grpo", start, "--stage", str(stage), "--data", data, "--out", out, *values]
        verbs.append(training_verb.describe_grpo(shape, words, choice, stage, way.gpus, reads=[start, data], out=out))
    return [training_verb.plan_training(verb, way.gpus, list_launches(way.gpus.count)) for verb in verbs]


def _plan_engines(way: Way, shape: ModelShape) -> list[DryStep]:
    """Plan the steps that ask an engine: calibration, the measurement and the worker."""
    model, data = way.final, str(way.data)
    words = {
        "calibrate": ["zoomin-train", "calibrate", model, "--data", data],
        "evaluate": ["zoomin-train", "evaluate", model, "--data", data, "--write-card"],
    }
    card = f"{model}/zoomin.json"
    results = {"calibrate": [card], "evaluate": [card, f"{model}/README.md"]}
    steps = [
        plan_engine_verb(
            verb,
            words[verb],
            shape,
            EngineOptions(),
            way.gpus,
            setting=TRAIN_SETTING,
            reads=[model, data],
            writes=results[verb],
        )
        for verb in words
    ]
    worker = plan_engine_verb(
        "serve",
        [f"ZOOMIN_ENGINE__MODEL={model}", "zoomin", "run"],
        shape,
        EngineOptions(max_num_seqs=256),
        way.gpus,
        setting=WORKER_SETTING,
        reads=[model],
        writes=["verdicts"],
    )
    return [*steps, worker]
