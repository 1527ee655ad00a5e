"""The training of one arm for one seed, and what it took: phases of GRPO shared with other arms, or the control."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.grpo import profiles as grpo_profiles
from training.grpo import run_config as grpo_run_config
from training.grpo import trainer as grpo_trainer
from training.paper import ablation_run
from training.paper.ablation_run import AblationPlan
from training.runs.run_log import Line, RunLog
from training.settings import TrainSettings
from training.stages import control, results
from training.stages.arms import ARMS, CONTROL, VALIDATION_SCENES
from training.stages.control import ControlRun
from training.stages.plan import StagesPlan
from training.stages.results_file import Effort
from training.synthetic import album, scene_files


@dataclass(frozen=True, slots=True, eq=False)
class TrainedArm:
    """The checkpoint of an arm, what it took, and the logged steps of each phase."""

    checkpoint: Checkpoint
    effort: Effort
    logs: Mapping[str, list[Line]]


def train_arm(
    plan: StagesPlan, settings: TrainSettings, seed: int, name: str, *, start: Checkpoint, grpo_minutes: list[float]
) -> TrainedArm:
    """Train what is missing of an arm; `grpo_minutes` are those of this seed's other arms, which the control gets.

    Raises: BadSettings, TrainingFailed.
    """
    if name == CONTROL:
        return _train_control(plan, settings, seed, start, grpo_minutes)
    ablation_plan = build_ablation_plan(plan, settings, seed, name, start)
    checkpoint = ablation_run.train_ablation(ablation_plan, ARMS[name].ablation)
    logs = {phase: _read_log(directory) for phase, directory in _list_phases(ablation_plan, name)}
    answers = ablation_plan.budget.prompts * ablation_plan.budget.generations
    return TrainedArm(checkpoint, results.summarize_effort(logs, answers), logs)


def build_ablation_plan(
    plan: StagesPlan, settings: TrainSettings, seed: int, name: str, start: Checkpoint
) -> AblationPlan:
    """Build what the arm's phases share; scenes that are not cached are drawn."""
    scenes = partial(scene_files.cache_scenes, settings.cache_directory, workers=settings.workers)
    return AblationPlan(
        start=start,
        data=scenes(first_seed=_find_first_scene(seed), count=plan.train_scenes),
        validation=scenes(first_seed=grpo_profiles.VALIDATION_SCENE, count=VALIDATION_SCENES),
        budget=ARMS[name].adapt_budget(plan.budget),
        seed=seed,
        threads=settings.threads,
        cache=plan.work,
        minutes=plan.minutes,
    )


def _find_first_scene(seed: int) -> int:
    return seed * 100_000 + grpo_profiles.FIRST_SCENE


def _list_phases(plan: AblationPlan, name: str) -> Iterator[tuple[str, Path]]:
    """Return the phases of a trained arm with their directories."""
    reached = plan.start
    for phase in ARMS[name].phases:
        directory = ablation_run.locate_phase(plan, reached, phase)
        yield phase.name, directory
        reached = Checkpoint.read(directory)


def _read_log(directory: Path) -> list[Line]:
    return RunLog(directory / grpo_run_config.DIRECTORY / grpo_trainer.LOG_NAME).read()


def _train_control(
    plan: StagesPlan, settings: TrainSettings, seed: int, start: Checkpoint, grpo_minutes: list[float]
) -> TrainedArm:
    place = plan.out / f"seed-{seed}"
    finished = [path for path in place.glob(f"{CONTROL}-*s") if (path / "config.json").is_file()]
    if finished:
        out = finished[0]
    else:
        seconds = _choose_seconds(plan, grpo_minutes)
        out = place / f"{CONTROL}-{seconds}s"
        pages = album.load_pages(
            settings.cache_directory / "scenes",
            first_seed=_find_first_scene(seed),
            count=plan.train_scenes,
            workers=settings.workers,
        )
        control.train_control(ControlRun(start, pages, out, seed, seconds, settings.threads))
    minutes = int(out.name.removeprefix(f"{CONTROL}-").removesuffix("s")) / 60
    return TrainedArm(Checkpoint.read(out), Effort(answers=0, minutes=round(minutes, 2)), {})


def _choose_seconds(plan: StagesPlan, grpo_minutes: list[float]) -> int:
    """Return the mean time of the other arms of the seed, or else the time that the plan gives an arm."""
    minutes = sum(grpo_minutes) / len(grpo_minutes) if grpo_minutes else plan.minutes
    return max(1, round(minutes * 60))
