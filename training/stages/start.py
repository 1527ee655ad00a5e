"""The starts of the experiment: fine-tuned into the window, a given checkpoint, or one that noise has damaged."""

import shutil
from pathlib import Path

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.errors import BadSettings
from training.errors import TrainingFailed
from training.runs import publishing, resumable
from training.settings import TrainSettings
from training.stages import window, window_search
from training.stages.plan import StagesPlan
from training.stages.window import Window
from training.stages.window_search import WindowSearch
from training.synthetic import scene_files
from training.tiny_model import tiny, vocabulary
from training.tiny_model.run_config import TinyRun


def refuse_other_model(start: Checkpoint) -> None:
    """Raise unless the checkpoint is a tiny model: scenes teach no other one. Raises: BadSettings."""
    card = start.card
    if (card.box_frame, card.scan_max_pixels) != (tiny.CARD["box_frame"], tiny.CARD["scan_max_pixels"]):
        raise BadSettings(f"{start.path} is no tiny model, and this experiment is on scenes; name one with --start")


def prepare_start(plan: StagesPlan, seed: int, settings: TrainSettings) -> Checkpoint:
    """Return the checkpoint that all arms of a seed start from, made once.

    Raises: TrainingFailed when fine-tuning does not come into the window.
    """
    out = plan.locate_start(seed)
    if (out / "config.json").is_file():
        return Checkpoint.read(out)
    if plan.start is None:
        fine_tune_into_window(TinyRun(seed=seed, minutes=plan.start_minutes), out, settings)
    elif plan.noise:
        write_damaged(plan.start, out, noise=plan.noise, seed=seed)
    else:
        return plan.start
    return Checkpoint.read(out)


def write_damaged(start: Checkpoint, out: Path, *, noise: float, seed: int) -> None:
    """Write the start with normal noise on each matrix of its language layers, in deviations of that matrix."""
    resumable.silence_transformers()
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(start.path, dtype=torch.float32)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.model.language_model.layers.parameters():
            if weight.ndim == 2:
                weight += noise * weight.std() * torch.randn(weight.shape, generator=draw)
    unfinished = out.with_name(f"{out.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished)
    publishing.complete_checkpoint(unfinished, start, start.card.trained_on or "")
    publishing.publish_checkpoint(unfinished, out)
    shutil.rmtree(unfinished)


def fine_tune_into_window(
    run: TinyRun,
    out: Path,
    settings: TrainSettings,
    bounds: Window = window.STANDARD,
    scenes: int = window_search.SCENES,
) -> None:
    """Train the tiny model from random weights until a check on `scenes` scenes lies in the window, and write it.

    Raises: TrainingFailed when no check does.
    """
    cache, work = settings.cache_directory, out.with_name(f"{out.name}-work")
    work.mkdir(parents=True, exist_ok=True)
    data = scene_files.cache_scenes(cache, first_seed=window_search.FIRST_SCENE, count=scenes, workers=settings.workers)
    search = WindowSearch(
        vocabulary.train_tokenizer(), CheckpointCard(**tiny.CARD), data, work / "window.jsonl", bounds
    )
    unfinished = out.with_name(f"{out.name}.part")
    tiny.train_tiny_model(
        run,
        out=unfinished,
        cache=cache,
        threads=settings.threads,
        workers=settings.workers,
        work=work,
        watch=search,
    )
    if not search.has_found:
        raise TrainingFailed(f"seed {run.seed}: {window.describe_miss(search.checks, bounds)}")
    publishing.publish_checkpoint(unfinished, out)
    shutil.rmtree(unfinished)
    shutil.rmtree(work / "sft", ignore_errors=True)
