"""A fine-tuning run from start to served checkpoint: rows, training, and what is written.

`OUT` is a checkpoint to serve; `OUT/sft` is the run's record (configuration.json, log.jsonl) and, until it has ended,
what a killed run goes on from. On several devices every process runs this, and the first one writes.
Invariant: `OUT` holds a config.json only when the run has ended.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoProcessor, Qwen2_5_VLForConditionalGeneration
from transformers.utils import logging

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from training.dataset import faults, manifest
from training.dataset.manifest import Entry
from training.dataset.tuples import Split
from training.qwen import patch_embedding
from training.runs import adapters, processes, publishing, resuming
from training.runs.profiles import Resolved
from training.runs.run_log import RunLog
from training.sft import rows as sft_rows
from training.sft import trainer as sft_trainer
from training.sft.journal import LOG_NAME
from training.sft.profiles import Profile

RECORD = "sft"
ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which model, what it learns from, and by which profile."""

    start: Checkpoint
    resolved: Resolved[Profile]
    data: Path
    out: Path
    seed: int
    threads: int

    @property
    def record(self) -> Path:
        return self.out / RECORD

    @property
    def profile(self) -> Profile:
        return self.resolved.values


def run(plan: Plan) -> None:
    """Raises: BadSettings, TrainingFailed; what decoding an image of the data raises."""
    if (plan.out / "config.json").exists():
        raise BadSettings(f"{plan.out} holds a finished checkpoint; name another directory with --out")
    entries = [one for one in manifest.read(plan.data) if one.split in (None, Split.TRAIN)]
    faults.refuse_unfit(plan.data, entries)
    rows = sft_rows.rows(plan.data, entries, plan.profile.variant, plan.start.card.max_crops)
    if len(rows.questions) < plan.profile.rows:
        raise BadSettings(
            f"{plan.data} gives {len(rows.questions)} rows to train on ({len(rows.unexplained)} of {len(entries)} "
            f"images have no explanation); a step takes {plan.profile.rows}: explain more with `zoomin-train build`, "
            "or lower --rows"
        )
    state = processes.join()
    if state.is_main_process:
        if rows.unexplained:
            print(f"{len(rows.unexplained)} images have no explanation and give no rows", file=sys.stderr)
        plan.record.mkdir(parents=True, exist_ok=True)
        _claim(plan, entries, len(rows.questions))
        _forget_what_came_after(plan.record)
    state.wait_for_everyone()
    torch.set_num_threads(plan.threads)
    trainer = sft_trainer.fine_tune(
        _load(plan),
        AutoProcessor.from_pretrained(plan.start.path),
        rows.questions,
        plan.start.card,
        profile=plan.profile,
        seed=plan.seed,
        directory=plan.record,
        threads=plan.threads,
    )
    last = resuming.last_checkpoint(plan.record)
    with resuming.writing(f"the checkpoint in {plan.out}", f"{last} stays"):
        _write(plan, trainer, publishing.digest(entries))


def _load(plan: Plan) -> Qwen2_5_VLForConditionalGeneration:
    logging.disable_progress_bar()
    dtype = getattr(torch, plan.profile.dtype)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(plan.start.path, dtype=dtype)
    if not torch.cuda.is_available():
        patch_embedding.embed_by_product(model)
    return model


def _claim(plan: Plan, entries: Sequence[Entry], rows: int) -> None:
    """Writes what the run is; a directory of another run is refused.

    Raises: BadSettings.
    """
    said = plan.resolved.as_json() | {
        "seed": plan.seed,
        "steps": plan.profile.steps(rows),
        "start": {"name": plan.start.name, "revision": plan.start.revision},
        "data": {"images": len(entries), "rows": rows, "digest": publishing.digest(entries)},
    }
    publishing.claim(plan.record, said)


def _forget_what_came_after(record: Path) -> None:
    """After a kill: what was half written, and the log's lines of steps that will be taken again."""
    resuming.forget_unfinished(record)
    last = resuming.last_checkpoint(record)
    RunLog(record / LOG_NAME).start_after(resuming.step_of(last) if last else 0)


def _write(plan: Plan, trainer: sft_trainer.FineTuner, trained_on: str) -> None:
    made = plan.record / "made"
    dtype = AutoConfig.from_pretrained(plan.start.path).dtype or torch.bfloat16
    if plan.profile.trained == "lora":
        trainer.save_model(str(plan.record / ADAPTER))
    else:
        # Of all devices, so all take part; the first one gets the whole.
        weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not trainer.is_world_process_zero():
        return
    if plan.profile.trained == "lora":
        adapters.merged(plan.start.path, plan.record / ADAPTER, dtype).save_pretrained(made)
    else:
        tied = trainer.model.all_tied_weights_keys
        cast = {name: weight.to(dtype) for name, weight in weights.items() if name not in tied}
        trainer.model.config.dtype = dtype
        trainer.model.save_pretrained(made, state_dict=cast)
    publishing.complete(made, plan.start, trained_on)
    publishing.publish(made, plan.out)
    for path in [made, *plan.record.glob("checkpoint-*")]:
        shutil.rmtree(path)


def log(plan: Plan) -> RunLog:
    """The run's steps, each with its speed."""
    return RunLog(plan.record / LOG_NAME)
