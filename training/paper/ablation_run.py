"""The training of one ablation: its phases one after the other, each stored in the cache and never run twice.

A phase's directory is named after everything that decides its result, so rows that begin alike share it, and a changed
value, seed or start gives another directory. A phase that was killed resumes where its run allows.
"""

import json
import math
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.dataset import manifest
from training.grpo import run as grpo_run
from training.grpo.run_config import GrpoRun
from training.paper import ablation_records, ablations
from training.paper.ablations import Ablation, AblationBudget, FineTuningPhase, Phase
from training.runs import publishing
from training.sft import run as sft_run
from training.sft.run_config import SftRun


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


def locate_phase(plan: AblationPlan, reached: Checkpoint, phase: Phase) -> Path:
    """Return the directory of the phase that starts from `reached`."""
    inputs = {
        "start": ablation_records.digest_weights(reached),
        "seed": plan.seed,
        "data": publishing.digest_entries(list(manifest.read_manifest(plan.data))),
        **ablations.convert_phase_to_json(phase, plan.budget),
        **({"minutes": plan.minutes} if math.isfinite(plan.minutes) else {}),
    }
    digest = sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return plan.cache / "variants" / f"{phase.name}-{digest[:12]}"


def _run_phase(plan: AblationPlan, reached: Checkpoint, phase: Phase, out: Path) -> None:
    if isinstance(phase, FineTuningPhase):
        resolved = ablations.resolve_fine_tuning(phase, plan.budget)
        sft_run.run_sft(SftRun(reached, resolved, plan.data, out, plan.seed, plan.threads))
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
