"""The tiny model from random weights: scenes, tokenizer, vision warm-up, fine-tuning, and the directory that is served.

Resumable: each step stores its result in the working directory, and a later run goes on from there.
"""

import time
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pipeline.checkpoint import CheckpointCard
from pipeline.geometry import MIN_VIEW_PIXELS
from training.common.progress import Progress
from training.qwen import patch_embedding, tensors
from training.reports import model_card
from training.runs.budget import Budget, Clock
from training.synthetic import album
from training.synthetic.album import Page
from training.tiny_model import architecture, vocabulary, weighted_sft
from training.tiny_model.run_config import TinyRun
from training.tiny_model.warmup import WarmUp
from training.tiny_model.weighted_sft import Watch

WHITENING_PAGES = 60
SAVE_WARM_UP_EVERY_S = 60.0
WARM_UP_FRACTION = 0.25
WRITING_S = 30
"""of the run's minutes, for writing the checkpoint"""
CARD: dict[str, Any] = {
    "box_frame": "thousand",
    "scan_max_pixels": 140 * 140,
    "crop_max_pixels": 140 * 140,
    "max_crops": 8,
}


def train_tiny_model(
    run: TinyRun,
    *,
    out: Path,
    cache: Path,
    threads: int = 1,
    workers: int = 2,
    work: Path | None = None,
    watch: Watch | None = None,
) -> None:
    """Train from random weights and write the checkpoint to `out`; `cache` holds scenes and unfinished work.

    `work` holds unfinished work in place of the cache; `watch` may end fine-tuning early.
    """
    ends_s = time.monotonic() + run.minutes * 60
    torch.set_num_threads(threads)
    directory = work or cache / run.name
    directory.mkdir(parents=True, exist_ok=True)
    pages = album.load_pages(cache / "scenes", first_seed=run.first_scene, count=run.scenes, workers=workers)
    tokenizer = vocabulary.train_tokenizer()
    model = architecture.build_tiny_model(tokenizer, run.seed)
    architecture.whiten_patch_embedding(model, tensors.cut_patches(sample_pictures(pages))[0])
    patch_embedding.embed_by_product(model)
    warm_up_budget = Budget(run.warm_up_steps, (ends_s - time.monotonic()) * WARM_UP_FRACTION)
    warm_up_tower(model, pages, seed=run.seed, budget=warm_up_budget, path=directory / "warm-up.pt")
    weighted_sft.train_weighted(
        model,
        tokenizer,
        pages,
        budget=Budget(run.sft_steps, max(1.0, ends_s - time.monotonic() - WRITING_S)),
        mix=run.mix,
        seed=run.seed,
        directory=directory / "sft",
        threads=threads,
        watch=watch,
    )
    write_tiny_checkpoint(model, tokenizer, out, CheckpointCard(trained_on=run.digest, **CARD))


def sample_pictures(pages: list[Page]) -> list[album.Pixels]:
    """Return the views and first crops of a few pages, by which the patch embedding is scaled."""
    few = pages[:WHITENING_PAGES]
    return [page.view.pixels for page in few] + [page.crops[0][0].pixels for page in few]


def warm_up_tower(
    model: Qwen2_5_VLForConditionalGeneration, pages: list[Page], *, seed: int, budget: Budget, path: Path
) -> None:
    """Train the vision tower, from the state at `path` on where there is one."""
    warm_up = WarmUp(model, pages, seed)
    if path.exists():
        warm_up.load(path)
    # After a kill the time of earlier steps is not known; the steps are, and they set the learning rate too.
    clock = Clock()
    progress = Progress("vision warm-up", 1.0)
    saved_s = 0.0
    smooth: dict[str, float] = {}

    def show_and_save(fraction: float, losses: dict[str, float]) -> None:
        nonlocal saved_s
        for name, loss in losses.items():
            smooth[name] = loss if name not in smooth else 0.95 * smooth[name] + 0.05 * loss
        parts = ", ".join(f"{name} {loss:.3f}" for name, loss in smooth.items())
        progress.show(fraction, f"step {warm_up.step}, {parts}")
        if clock.elapsed_s - saved_s > SAVE_WARM_UP_EVERY_S:
            saved_s = clock.elapsed_s
            warm_up.save(path)

    if warm_up.step < budget.steps:
        warm_up.train(lambda step: budget.measure_progress(step, clock.elapsed_s), after_step=show_and_save)
        progress.show(1.0, f"{warm_up.step} steps")
        warm_up.save(path)


def write_tiny_checkpoint(
    model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, out: Path, card: CheckpointCard
) -> None:
    """Write a directory to serve: weights as they are trained, tokenizer, processor, template, and last the card.

    In bfloat16 the steps of GRPO would be lost (decision 0024), and float32 takes 11 MB.
    """
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "chat_template.jinja").write_text(vocabulary.CHAT_TEMPLATE)
    largest = max(card.scan_max_pixels, card.crop_max_pixels)
    # Wide enough that a view or crop passes as it is.
    Qwen2VLImageProcessorPil(min_pixels=MIN_VIEW_PIXELS, max_pixels=largest).save_pretrained(out)
    model_card.write_checkpoint_card(out, card)
