import re
from pathlib import Path

import pytest
from transformers import AutoProcessor, PreTrainedTokenizerFast

from pipeline import prompts
from pipeline.checkpoint import CheckpointCard
from tests.support import qwen
from training.dataset import manifest
from training.qwen import tensors
from training.sft import profiles as sft_profiles
from training.sft import rows as sft_rows
from training.sft import trainer as sft_trainer
from training.synthetic import scene_files
from training.tiny_model import architecture, tiny


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene_files.write_scenes(tmp_path_factory.mktemp("scenes"), count=4, first_seed=40, workers=1).parent


@pytest.fixture(scope="module")
def own(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("own")
    tiny.write(architecture.build(tokenizer, 0), tokenizer, directory, CheckpointCard(**tiny.CARD))
    return directory


@pytest.mark.parametrize("vocabulary", ["ours", "Qwen's"])
def test_each_crop_follows_its_caption_and_loss_falls_on_the_answer(
    own: Path, scenes: Path, tmp_path: Path, vocabulary: str
) -> None:
    model = own if vocabulary == "ours" else qwen.with_this_vocabulary(own, tmp_path)
    processor = AutoProcessor.from_pretrained(model)
    card = CheckpointCard(**tiny.CARD)
    asked = sft_rows.rows(scenes, manifest.read(scenes), "two_turn", card.max_crops).questions
    number = next(n for n, one in enumerate(asked) if len(one.crops or ()) >= 2)
    rows = sft_trainer._dataset(asked, card, 20)
    batch = sft_trainer._collator(processor)([rows[number], rows[0]])
    assert batch.pop(sft_trainer.ROWS).tolist() == [number, 0]
    row = sft_rows.row(asked[number], card, 20)
    told = batch["labels"][0][batch["labels"][0] != tensors.IGNORED]
    assert processor.tokenizer.decode(told) == row.answer + "<|im_end|>\n"
    text = processor.tokenizer.decode(batch["input_ids"][0])
    shown = re.sub(r"(<\|image_pad\|>)+", "@", text).replace("<|vision_start|>@<|vision_end|>", "@")
    assert shown.index(prompts.INSTRUCTIONS[:40]) < shown.index("@Crop 1:@Crop 2:@")
    assert text.count("<|vision_start|>") == len(row.query.images)
    assert batch["image_grid_thw"].shape[0] == len(row.query.images) + 1


def test_a_step_has_the_profile_s_rows(tmp_path: Path) -> None:
    profile = sft_profiles.resolve("tiny", {"rows": 4, "micro_batch": 2}).values
    config = sft_trainer._config(profile, 3, tmp_path, seed=0)
    assert (config.gradient_accumulation_steps, config.max_steps, config.max_length) == (2, 3, None)
