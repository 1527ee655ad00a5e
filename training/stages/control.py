"""The control arm: fine-tuning goes on from the start, on the scenes and for the time that GRPO had."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint
from training.qwen import patch_embedding
from training.runs import publishing
from training.runs.budget import Budget
from training.synthetic.album import Page
from training.tiny_model import weighted_sft
from training.tiny_model.run_config import STANDARD_MIX

STEPS_PER_S = 50
"""more than any machine does, so that the time ends the run"""
FIRST_ROW_SEED = 1000
"""the start may have been trained with the seeds below"""


@dataclass(frozen=True, slots=True, eq=False)
class ControlRun:
    """The start, the scenes, and the time of one control; `out` is where its checkpoint goes."""

    start: Checkpoint
    pages: list[Page]
    out: Path
    seed: int
    seconds: float
    threads: int


def train_control(run: ControlRun) -> Checkpoint:
    """Fine-tune all parameters with a learning rate that rises, stays and falls within the time.

    Raises: TrainingFailed when a checkpoint cannot be written.
    """
    torch.set_num_threads(run.threads)
    work = run.out.with_name(f"{run.out.name}-work")
    work.mkdir(parents=True, exist_ok=True)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(run.start.path, dtype=torch.float32)
    patch_embedding.embed_by_product(model)
    weighted_sft.train_weighted(
        model,
        PreTrainedTokenizerFast.from_pretrained(run.start.path),
        run.pages,
        budget=Budget(max(1, round(run.seconds * STEPS_PER_S)), run.seconds),
        mix=STANDARD_MIX,
        seed=FIRST_ROW_SEED + run.seed,
        directory=work,
        threads=run.threads,
    )
    unfinished = work / publishing.MADE
    model.save_pretrained(unfinished)
    publishing.complete_checkpoint(unfinished, run.start, run.start.card.trained_on or "")
    publishing.publish_checkpoint(unfinished, run.out)
    shutil.rmtree(work)
    return Checkpoint.read(run.out)
