import re
from pathlib import Path

import pytest
import torch
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
    tiny.write_tiny_checkpoint(
        architecture.build_tiny_model(tokenizer, 0), tokenizer, directory, CheckpointCard(**tiny.CARD)
    )
    return directory


@pytest.mark.parametrize("vocabulary", ["ours", "Qwen's"])
def test_each_crop_follows_its_caption_and_loss_falls_on_the_answer(
    own: Path, scenes: Path, tmp_path: Path, vocabulary: str
) -> None:
    model = own if vocabulary == "ours" else qwen.copy_with_qwen_vocabulary(own, tmp_path)
    processor = AutoProcessor.from_pretrained(model)
    card = CheckpointCard(**tiny.CARD)
    built = sft_rows.build_prompts(scenes, manifest.read_manifest(scenes), "two_turn", card.max_crops).prompts
    number = next(n for n, prompt in enumerate(built) if len(prompt.crops or ()) >= 2)
    rows = sft_trainer.build_sft_dataset(built, card, 20)
    batch = sft_trainer.build_collator(processor)([rows[number], rows[0]])
    assert batch.pop(sft_trainer.ROWS).tolist() == [number, 0]
    row = sft_rows.build_example(built[number], card, 20)
    labels = batch["labels"][0][batch["labels"][0] != tensors.IGNORED]
    assert processor.tokenizer.decode(labels) == row.answer + "<|im_end|>\n"
    text = processor.tokenizer.decode(batch["input_ids"][0])
    folded = re.sub(r"(<\|image_pad\|>)+", "@", text).replace("<|vision_start|>@<|vision_end|>", "@")
    assert folded.index(prompts.INSTRUCTIONS[:40]) < folded.index("@Crop 1:@Crop 2:@")
    assert text.count("<|vision_start|>") == len(row.query.images)
    assert batch["image_grid_thw"].shape[0] == len(row.query.images) + 1


@pytest.mark.parametrize("vocabulary", ["ours", "Qwen's"])
def test_loss_falls_on_what_people_gave_and_on_no_explanation_that_nobody_wrote(
    own: Path, scenes: Path, tmp_path: Path, vocabulary: str
) -> None:
    model = own if vocabulary == "ours" else qwen.copy_with_qwen_vocabulary(own, tmp_path)
    processor, card = AutoProcessor.from_pretrained(model), CheckpointCard(**tiny.CARD)
    whole = next(entry for entry in manifest.read_manifest(scenes) if entry.boxes)
    drawn = whole.model_copy(update={"explanations": None})
    bare = drawn.model_copy(update={"boxes": None, "shown": []})
    built = sft_rows.build_prompts(scenes, [bare, drawn, whole], "two_turn", card.max_crops).prompts
    rows = sft_trainer.build_sft_dataset(built, card, 20)
    batch = sft_trainer.build_collator(processor)([rows[number] for number in range(6)])
    learned = [read_learned(processor.tokenizer, batch, number) for number in range(6)]
    answers = [sft_rows.build_example(prompt, card, 20).answer for prompt in built]
    verdict, boxes = f"<verdict>{whole.label}</verdict>", answers[2].split("<explanation>")[0]
    assert boxes.count("[") >= 1
    if vocabulary == "Qwen's":  # its token "><" reaches into what nobody gave
        verdict, boxes = verdict.removesuffix(">"), boxes.removesuffix(">")
    assert learned[:2] == [verdict] * 2
    assert learned[2:4] == [boxes, verdict]
    assert learned[4:] == [f"{answer}<|im_end|>\n" for answer in answers[4:]]
    assert not any("<explanation>" in text for text in learned[:4])


def read_learned(tokenizer: PreTrainedTokenizerFast, batch: tensors.Batch, number: int) -> str:
    """Read the tokens of a row that carry loss; they follow each other, and each is predicted from those before it."""
    labels, ids = batch["labels"][number], batch["input_ids"][number]
    (places,) = torch.nonzero(labels != tensors.IGNORED, as_tuple=True)
    assert places.tolist() == list(range(int(places[0]), int(places[-1]) + 1))
    assert labels[places].tolist() == ids[places].tolist()
    return str(tokenizer.decode(labels[places]))


def test_a_step_has_the_profile_s_rows(tmp_path: Path) -> None:
    profile = sft_profiles.resolve_sft_profile("tiny", {"rows": 4, "micro_batch": 2}).values
    config = sft_trainer.build_sft_config(profile, 3, tmp_path, seed=0)
    assert (config.gradient_accumulation_steps, config.max_steps, config.max_length) == (2, 3, None)


def test_the_reporter_reaches_the_trainer(tmp_path: Path) -> None:
    values = [sft_profiles.resolve_sft_profile("tiny", change).values for change in ({}, {"report_to": "tensorboard"})]
    configs = [sft_trainer.build_sft_config(profile, 3, tmp_path, seed=0) for profile in values]
    assert [config.report_to for config in configs] == [[], ["tensorboard"]]
