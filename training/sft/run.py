"""A fine-tuning run from its start to the checkpoint that is served, top to bottom.

`OUT` is a checkpoint to serve; `OUT/sft` is the run directory (configuration.json, log.jsonl, outcome.json) and, until
the run has ended, holds what a killed run goes on from. On several devices every process runs this, and the first one
writes.
Invariant: `OUT` holds a config.json only when the run has ended.
"""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration
from transformers.utils import logging

from pipeline.errors import BadSettings
from training.dataset import faults, manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.qwen import patch_embedding
from training.runs import processes, publishing, resumable, resuming, weights
from training.runs.prompts import Prompt
from training.runs.run_log import RunLog
from training.runs.weights import SurvivingUpdate
from training.sft import rows as sft_rows
from training.sft import trainer as sft_trainer
from training.sft.journal import LOG_NAME
from training.sft.rows import CropDraws
from training.sft.run_config import SftRun
from training.synthetic import scene_files


@dataclass(frozen=True, slots=True)
class ExplainedSet:
    """The entries that a run learns from, and their rows as prompts."""

    entries: list[LabeledImage]
    prompts: list[Prompt]

    @property
    def digest(self) -> str:
        return publishing.digest_entries(self.entries)


def run_sft(run: SftRun) -> SurvivingUpdate | None:
    """Fine-tune the start and publish its last weights, which nothing validates; None in a process that only helps.

    Raises: BadSettings, TrainingFailed; what decoding an image of the data raises.
    """
    publishing.refuse_finished(run.out, "--out")
    resumable.refuse_missing_reporter(run.profile.report_to)
    processes.refuse_unshared_gpus()
    explained = _read_explained_set(run)
    state = processes.join_processes()
    if state.is_main_process:
        _open_run_directory(run, explained)
    state.wait_for_everyone()
    processes.set_threads(run.threads)
    trainer = sft_trainer.train_sft(
        _load_model(run.start.path, run.profile.dtype),
        AutoProcessor.from_pretrained(run.start.path),
        explained.prompts,
        run.start.card,
        profile=run.profile,
        seed=run.seed,
        directory=run.directory,
        threads=run.threads,
    )
    remaining = f"{resuming.find_last_checkpoint(run.directory)} stays"
    with resuming.translate_write_errors(f"the checkpoint in {run.out}", remaining):
        dtype = weights.choose_publish_dtype(run.profile, run.start)
        surviving = weights.write_trained_weights(trainer, run.start, run.directory, dtype)
        if surviving:
            _publish_weights(run, surviving, explained.digest)
    return surviving


def _read_explained_set(run: SftRun) -> ExplainedSet:
    """Read the images that are trained on, and their rows.

    Raises: BadSettings when the set has faults or held-out scenes, or too few of its images have an explanation.
    """
    data, profile = run.data, run.profile
    entries = [entry for entry in manifest.read_manifest(data) if entry.split in (None, Split.TRAIN)]
    scene_files.refuse_held_out(data, entries)
    sizes = faults.refuse_unfit(data, entries)
    draws = CropDraws(run.seed, sizes) if profile.crops == "drawn" else None
    drawn = sft_rows.build_prompts(data, entries, profile.variant, run.start.card.max_crops, draws)
    if len(drawn.prompts) < profile.rows:
        raise BadSettings(
            f"{data} gives {len(drawn.prompts)} rows to train on ({len(drawn.unexplained)} of {len(entries)} "
            f"images have no explanation); a step takes {profile.rows}: explain more with `zoomin-train build`, "
            "or lower --rows"
        )
    if drawn.unexplained and processes.join_processes().is_main_process:
        print(f"{len(drawn.unexplained)} images have no explanation and give no rows", file=sys.stderr)
    return ExplainedSet(entries, drawn.prompts)


def _open_run_directory(run: SftRun, explained: ExplainedSet) -> None:
    """Write the run config, and delete what a killed run had not finished: checkpoints and lines of the log.

    Raises: BadSettings when the directory belongs to another run.
    """
    run.directory.mkdir(parents=True, exist_ok=True)
    publishing.write_run_config(run.directory, _describe_run(run, explained))
    resuming.delete_unfinished(run.directory)
    last = resuming.find_last_checkpoint(run.directory)
    open_sft_log(run).truncate_after(resuming.parse_step(last) if last else 0)


def _describe_run(run: SftRun, explained: ExplainedSet) -> dict[str, object]:
    """Return everything that must be the same when a killed run goes on."""
    rows = len(explained.prompts)
    return run.resolved.to_json() | {
        "seed": run.seed,
        "steps": run.profile.count_steps(rows),
        "start": {"name": run.start.name, "revision": run.start.revision},
        "data": {"images": len(explained.entries), "rows": rows, "digest": explained.digest},
    }


def _load_model(path: Path, dtype: str) -> Qwen2_5_VLForConditionalGeneration:
    """Load the start; without a GPU its patch embedding becomes a matrix product, which is faster there."""
    logging.disable_progress_bar()
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype=getattr(torch, dtype))
    if not torch.cuda.is_available():
        patch_embedding.embed_by_product(model)
    return model


def _publish_weights(run: SftRun, surviving: SurvivingUpdate, digest: str) -> None:
    """Complete the checkpoint and publish it, and delete what only a run that has not ended needs."""
    unfinished = run.directory / publishing.MADE
    publishing.complete_checkpoint(unfinished, run.start, digest)
    publishing.write_outcome(run.directory, {"weights": "last, not validated", "update": asdict(surviving)})
    publishing.publish_checkpoint(unfinished, run.out)
    publishing.delete_unfinished_work(run.directory)


def open_sft_log(run: SftRun) -> RunLog:
    """Return the log of the run's steps."""
    return RunLog(run.directory / LOG_NAME)
