"""The training of one ablation: its phases one after the other, each stored in the cache and never run twice.

A phase's directory is named after everything that decides its result, so rows that begin alike share it, and a changed
value, seed or start gives another directory. A phase that was killed resumes where its run allows.
"""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import torch

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from training.common.machine import GIB, Gpus
from training.common.parallel import run_alone
from training.dataset import manifest
from training.dry_run.grpo_memory import estimate_grpo_memory
from training.dry_run.launch import Launch
from training.dry_run.sft_memory import estimate_sft_memory
from training.dry_run.shape import ModelShape
from training.grpo import run as grpo_run
from training.grpo.run_config import GrpoRun
from training.paper import ablations, outside_rows
from training.paper.ablations import Ablation, AblationBudget, FineTuningPhase, Phase
from training.runs import publishing
from training.sft import run as sft_run
from training.sft.run_config import SftRun

RECORDING = "train the row over several GPUs with `accelerate launch` and judge it with --record ROW DIR"


@dataclass(frozen=True, slots=True)
class AblationPlan:
    """The start, data and budget that all rows share; `minutes` ends a row's phases before their steps do."""

    start: Checkpoint
    data: Path
    validation: Path
    budget: AblationBudget
    seed: int
    threads: int
    cache: Path
    minutes: float = math.inf


def train_ablation(plan: AblationPlan, ablation: Ablation) -> Checkpoint:
    """Run the phases that are missing, and return the row's checkpoint.

    Raises: BadSettings, TrainingFailed; what decoding an image of the data raises.
    """
    reached = plan.start
    for number, phase in enumerate(ablation.phases, start=1):
        out = locate_phase(plan, reached, phase)
        done = (out / "config.json").is_file()
        state = "done before" if done else f"in {out}"
        print(f"phase {number} of {len(ablation.phases)}, {phase.name}: {state}", file=sys.stderr)
        if not done:
            _run_phase(plan, reached, phase, out)
        reached = Checkpoint.read(out)
    return reached


def refuse_unfit_training(plan: AblationPlan, ablations_to_train: Iterable[Ablation], gpus: Gpus | None) -> None:
    """Refuse rows that one process cannot train on the one GPU that it may see, before a model is loaded.

    Raises: BadSettings with what can be done.
    """
    phases = [phase for ablation in ablations_to_train for phase in ablation.phases]
    if gpus is None or not phases:
        return
    if gpus.count > 1:
        raise BadSettings(
            f"--train trains in one process, which sees {gpus}: set CUDA_VISIBLE_DEVICES=0, or {RECORDING}"
        )
    shape = ModelShape.read(str(plan.start.path))
    shortage = _find_shortage(shape, phases, plan.budget, gpus)
    if shortage:
        smaller = replace(plan.budget, lora=True)
        fits = not plan.budget.lora and _find_shortage(shape, phases, smaller, gpus) is None
        raise BadSettings(f"{shortage}: {'add --lora, or ' if fits else ''}{RECORDING}")


def _find_shortage(shape: ModelShape, phases: Sequence[Phase], budget: AblationBudget, gpus: Gpus) -> str | None:
    """Return a clause about the first phase that does not fit one GPU; None if all do."""
    for phase in phases:
        try:
            needed = _estimate_phase(shape, phase, budget, gpus)
        except BadSettings as error:  # the sampler beside the trainer finds no room
            return f"{phase.name}: {error.detail}"
        if needed > gpus.usable_bytes:
            usable = f"may take {gpus.usable_bytes / GIB:.1f}"
            return f"{phase.name} needs {needed / GIB:.1f} GiB on one GPU and {usable}"
    return None


def _estimate_phase(shape: ModelShape, phase: Phase, budget: AblationBudget, gpus: Gpus) -> int:
    """Return the bytes that the phase takes on one GPU at its peak."""
    if isinstance(phase, FineTuningPhase):
        fine_tuning = ablations.resolve_fine_tuning(phase, budget).values
        return estimate_sft_memory(shape, fine_tuning, Launch(1)).peak_bytes
    profile = ablations.resolve_grpo(phase, budget).values
    return estimate_grpo_memory(shape, profile, phase.stage, Launch(1), gpus).peak_bytes


def locate_phase(plan: AblationPlan, reached: Checkpoint, phase: Phase) -> Path:
    """Return the directory of the phase that starts from `reached`."""
    inputs = {
        "start": outside_rows.digest_weights(reached),
        "seed": plan.seed,
        "data": publishing.digest_entries(list(manifest.read_manifest(plan.data))),
        **ablations.convert_phase_to_json(phase, plan.budget),
        **({"minutes": plan.minutes} if math.isfinite(plan.minutes) else {}),
    }
    digest = sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return plan.cache / "variants" / f"{phase.name}-{digest[:12]}"


def _run_phase(plan: AblationPlan, reached: Checkpoint, phase: Phase, out: Path) -> None:
    """Run a phase; on a GPU in a process of its own, so that the memory it took is free for the engine afterwards."""
    if torch.cuda.is_available():
        run_alone(_run_phase_here, plan, reached, phase, out)
    else:
        _run_phase_here(plan, reached, phase, out)


def _run_phase_here(plan: AblationPlan, reached: Checkpoint, phase: Phase, out: Path) -> None:
    if isinstance(phase, FineTuningPhase):
        resolved = ablations.resolve_fine_tuning(phase, plan.budget)
        sft_run.run_sft(SftRun(reached, resolved, plan.data, out, plan.seed, plan.threads, validation=plan.validation))
        return
    grpo_run.run_grpo(
        GrpoRun(
            start=reached,
            stage=phase.stage,
            resolved=ablations.resolve_grpo(phase, plan.budget),
            data=plan.data,
            validation=plan.validation,
            out=out,
            seed=plan.seed,
            minutes=plan.minutes * phase.halves / 2,
            threads=plan.threads,
        )
    )
