"""Batches of the tiny model and a start of any shape, for the arithmetic that is compared with real tensors."""

import pytest
from transformers import AutoProcessor, PreTrainedTokenizerFast

from pipeline.checkpoint import CheckpointCard
from training.dataset import manifest
from training.qwen import tensors
from training.sft import rows as sft_rows
from training.sft import trainer as sft_trainer
from training.synthetic import scene_files
from training.tiny_model import architecture, tiny

CARD = CheckpointCard(**tiny.CARD)


@pytest.fixture(scope="package")
def rows(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> list[tensors.Batch]:
    """Batches of one row and of several."""
    directory = tmp_path_factory.mktemp("rows")
    tiny.write_tiny_checkpoint(architecture.build_tiny_model(tokenizer, 0), tokenizer, directory / "model", CARD)
    scene_files.write_scenes(directory / "data", count=4, first_seed=40, workers=1)
    built = sft_rows.build_prompts(
        directory / "data", manifest.read_manifest(directory / "data"), "two_turn", 8
    ).prompts
    rows, collate = (
        sft_trainer.build_sft_dataset(built, CARD, 20),
        sft_trainer.build_collator(AutoProcessor.from_pretrained(directory / "model")),
    )
    batches = [collate([rows[number] for number in numbers]) for numbers in ([1], [0, 1, 2, 3])]
    return [
        {name: tensor for name, tensor in batch.items() if name not in (sft_trainer.ROWS, "labels")}
        for batch in batches
    ]
