"""The tiny model before it has seen an answer, as a directory to serve: what a trained one is held against."""

import shutil
from pathlib import Path

from pipeline.checkpoint import CheckpointCard
from training.qwen import tensors
from training.synthetic import album
from training.tiny_model import architecture, tiny, vocabulary


def make(out: Path, *, seed: int, cache: Path, workers: int) -> None:
    """Random weights of this seed behind the same patch embedding that training starts from."""
    pages = album.load(cache / "scenes", first_seed=seed * 100_000, count=tiny.WHITENING_PAGES, workers=workers)
    tokenizer = vocabulary.train()
    model = architecture.build(tokenizer, seed)
    architecture.whiten(model, tensors.patches([page.view.pixels for page in pages])[0])
    unfinished = out.with_name(f"{out.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    tiny.write(model, tokenizer, unfinished, CheckpointCard(**tiny.CARD))
    unfinished.rename(out)
