"""The untrained tiny model as a directory to serve, for comparison with a trained one."""

import shutil
from pathlib import Path

from pipeline.checkpoint import CheckpointCard
from training.qwen import tensors
from training.synthetic import album
from training.tiny_model import architecture, tiny, vocabulary


def write_untrained_model(out: Path, *, seed: int, cache: Path, workers: int) -> None:
    """Write random weights of this seed behind the patch embedding that training starts from."""
    pages = album.load_pages(cache / "scenes", first_seed=seed * 100_000, count=tiny.WHITENING_PAGES, workers=workers)
    tokenizer = vocabulary.train_tokenizer()
    model = architecture.build_tiny_model(tokenizer, seed)
    architecture.whiten_patch_embedding(model, tensors.cut_patches([page.view.pixels for page in pages])[0])
    unfinished = out.with_name(f"{out.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    tiny.write_tiny_checkpoint(model, tokenizer, unfinished, CheckpointCard(**tiny.CARD))
    unfinished.rename(out)
