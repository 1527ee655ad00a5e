"""A row of table 1 trained: its phases one after the other, each kept in the cache and never done twice.

A phase's directory is named after everything that decides its result, so rows that begin alike share it, and a changed
value, seed or start is another directory. Phases that were killed go on where their runs allow.
"""

import json
import sys
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from training.dataset import manifest
from training.grpo import plan as grpo_plan
from training.grpo import run as grpo_run
from training.paper import ablations
from training.paper.ablations import Budget, FineTuning, Phase, Training
from training.runs import publishing
from training.sft import run as sft_run


@dataclass(frozen=True, slots=True)
class Plan:
    """What all rows share: where they start, what they learn from, what they may spend."""

    start: Checkpoint
    data: Path
    validation: Path
    budget: Budget
    seed: int
    threads: int
    cache: Path


def train(plan: Plan, training: Training) -> Checkpoint:
    """The row's checkpoint.

    Raises: BadSettings, TrainingFailed; what decoding an image of the data raises.
    """
    reached = plan.start
    for number, phase in enumerate(training.phases, start=1):
        out = directory(plan, reached, phase)
        done = (out / "config.json").is_file()
        how = "done before" if done else f"in {out}"
        print(f"phase {number} of {len(training.phases)}, {phase.name}: {how}", file=sys.stderr)
        if not done:
            _run(plan, reached, phase, out)
        reached = Checkpoint.read(out)
    return reached


def directory(plan: Plan, reached: Checkpoint, phase: Phase) -> Path:
    """Of the phase that goes on from `reached`."""
    said = {
        "start": weights(reached),
        "seed": plan.seed,
        "data": publishing.digest(list(manifest.read(plan.data))),
        **ablations.as_json(phase, plan.budget),
    }
    digest = sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return plan.cache / "variants" / f"{phase.name}-{digest[:12]}"


def weights(checkpoint: Checkpoint) -> str:
    """A digest of the weights alone: a checkpoint that has been calibrated since is the same start."""
    digest = sha256()
    for file in sorted(checkpoint.path.glob("*.safetensors")):
        with file.open("rb") as stream:
            digest.update(file_digest(stream, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def _run(plan: Plan, reached: Checkpoint, phase: Phase, out: Path) -> None:
    if isinstance(phase, FineTuning):
        resolved = ablations.fine_tuning(phase, plan.budget)
        sft_run.run(sft_run.Plan(reached, resolved, plan.data, out, plan.seed, plan.threads))
        return
    grpo_run.run(
        grpo_plan.Plan(
            start=reached,
            stage=phase.stage,
            resolved=ablations.grpo(phase, plan.budget),
            data=plan.data,
            validation=plan.validation,
            out=out,
            seed=plan.seed,
            minutes=float("inf"),
            threads=plan.threads,
        )
    )
