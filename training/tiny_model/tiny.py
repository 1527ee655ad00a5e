"""The tiny model from nothing: scenes, tokenizer, vision warm-up, fine-tuning, and the directory that is served.

Resumable: each step keeps its result in the working directory and a later run goes on from there.
"""

import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

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
from training.tiny_model import architecture, rows, vocabulary, weighted_sft
from training.tiny_model.warmup import WarmUp

WHITENING_PAGES = 60
SAVE_WARM_UP_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does; the numbers fit two quiet cores in `minutes`, a slower machine ends earlier in its steps."""

    seed: int = 0
    minutes: float = 30.0
    scenes: int = 4000
    warm_up_steps: int = 800
    sft_steps: int = 1800
    mix: rows.Mix = rows.STANDARD
    threads: int = 1
    workers: int = 2

    @property
    def first_scene(self) -> int:
        """Each seed trains on scenes of its own; those from 7,000,000 on belong to nobody's training."""
        return self.seed * 100_000

    @property
    def digest(self) -> str:
        """What the run was trained on."""
        said = (album.VERSION, self.first_scene, self.scenes, asdict(self.mix))
        return f"sha256:{sha256(repr(said).encode()).hexdigest()}"


def make(plan: Plan, *, out: Path, cache: Path) -> None:
    """Train by `plan` and write the checkpoint to `out`; `cache` holds scenes and unfinished work."""
    started = time.monotonic()
    torch.set_num_threads(plan.threads)
    work = cache / f"tiny-{plan.seed}"
    work.mkdir(parents=True, exist_ok=True)
    pages = album.load(cache / "scenes", first_seed=plan.first_scene, count=plan.scenes, workers=plan.workers)
    tokenizer = vocabulary.train()
    model = architecture.build(tokenizer, plan.seed)
    architecture.whiten(model, tensors.patches(_sample(pages))[0])
    patch_embedding.embed_by_product(model)
    left_s = plan.minutes * 60 - (time.monotonic() - started)
    _warm_up(model, pages, plan, seconds=left_s * 0.25, directory=work)
    left_s = plan.minutes * 60 - (time.monotonic() - started)
    budget = Budget(plan.sft_steps, max(1.0, left_s - 30))
    weighted_sft.run(
        model,
        tokenizer,
        pages,
        budget=budget,
        mix=plan.mix,
        seed=plan.seed,
        directory=work / "sft",
        threads=plan.threads,
    )
    write(model, tokenizer, out, CheckpointCard(trained_on=plan.digest, **CARD))


CARD = {"box_frame": "thousand", "scan_max_pixels": 140 * 140, "crop_max_pixels": 140 * 140, "max_crops": 8}


def write(
    model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, out: Path, card: CheckpointCard
) -> None:
    """The directory that the engine serves: weights in bf16, tokenizer, processor, template, and last the card."""
    out.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "chat_template.jinja").write_text(vocabulary.CHAT_TEMPLATE)
    largest = max(card.scan_max_pixels, card.crop_max_pixels)
    # Wide enough that a view or crop passes as it is.
    Qwen2VLImageProcessorPil(min_pixels=MIN_VIEW_PIXELS, max_pixels=largest).save_pretrained(out)
    model_card.write_card(out, card)


def _sample(pages: list[Page]) -> list[album.Pixels]:
    some = pages[:WHITENING_PAGES]
    return [page.view.pixels for page in some] + [page.crops[0][0].pixels for page in some]


def _warm_up(
    model: Qwen2_5_VLForConditionalGeneration, pages: list[Page], plan: Plan, *, seconds: float, directory: Path
) -> None:
    kept = directory / "warm-up.pt"
    warm_up = WarmUp(model, pages, plan.seed)
    if kept.exists():
        warm_up.load(kept)
    budget = Budget(plan.warm_up_steps, seconds)
    # After a kill the time of earlier steps is not known; the steps are, and they set the learning rate too.
    clock = Clock()
    progress = Progress("vision warm-up", 1.0)
    saved_s = 0.0
    smooth: dict[str, float] = {}

    def after_step(done: float, parts: dict[str, float]) -> None:
        nonlocal saved_s
        for name, part in parts.items():
            smooth[name] = part if name not in smooth else 0.95 * smooth[name] + 0.05 * part
        progress.show(done, f"step {warm_up.step}, " + ", ".join(f"{name} {part:.3f}" for name, part in smooth.items()))
        if clock.elapsed_s - saved_s > SAVE_WARM_UP_EVERY_S:
            saved_s = clock.elapsed_s
            warm_up.save(kept)

    if warm_up.step < plan.warm_up_steps:
        warm_up.run(lambda step: budget.fraction(step, clock.elapsed_s), after_step=after_step)
        progress.show(1.0, f"{warm_up.step} steps")
        warm_up.save(kept)
