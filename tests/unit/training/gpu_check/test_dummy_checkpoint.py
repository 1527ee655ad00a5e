import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.errors import BadSettings
from training.gpu_check import dummy_checkpoint
from training.qwen.tokens import IM_END, IMAGE_PAD

CARD = CheckpointCard(scan_max_pixels=112 * 112, crop_max_pixels=112 * 112)


WORDS = 1000


def build_small_config() -> Qwen2_5_VLConfig:
    config = dummy_checkpoint.build_config("3b", 2, WORDS)
    config.text_config.hidden_size, config.text_config.intermediate_size = 64, 64
    config.text_config.num_attention_heads, config.text_config.num_key_value_heads = 2, 1
    config.text_config.rope_parameters["mrope_section"] = [4, 6, 6]
    config.vision_config.hidden_size, config.vision_config.num_heads = 64, 2
    config.vision_config.out_hidden_size = 64
    return config


def test_the_directory_is_a_checkpoint_that_transformers_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dummy_checkpoint, "SHARD_BYTES", 100_000)
    dummy_checkpoint.write_dummy_checkpoint(tmp_path, build_small_config(), CARD, words=WORDS)
    assert Checkpoint.read(tmp_path).card == CARD
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    model, loading = Qwen2_5_VLForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert model.dtype == torch.bfloat16
    assert model.model.language_model.norm.weight.eq(1).all()
    assert 0.015 < model.lm_head.weight.float().std() < 0.025
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.convert_tokens_to_ids(IMAGE_PAD) == model.config.image_token_id
    assert tokenizer.convert_tokens_to_ids(IM_END) == model.generation_config.eos_token_id


@pytest.mark.parametrize(("size", "layers"), [("7b", 28), ("32b", 64)])
def test_a_whole_shape_has_all_layers_and_a_cut_one_so_many(size: str, layers: int) -> None:
    whole, cut = dummy_checkpoint.build_config(size, None), dummy_checkpoint.build_config(size, 2)
    assert (whole.text_config.num_hidden_layers, whole.vision_config.depth) == (layers, 32)
    assert (cut.text_config.num_hidden_layers, cut.vision_config.depth) == (2, 2)
    assert cut.text_config.hidden_size == whole.text_config.hidden_size


def test_a_cut_vocabulary_has_an_embedding_of_its_size() -> None:
    assert dummy_checkpoint.build_config("3b", 2, 1000).text_config.vocab_size == 1024


def test_a_disk_without_room_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dummy_checkpoint.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 1000}))
    with pytest.raises(BadSettings, match="--work"):
        dummy_checkpoint.write_dummy_checkpoint(tmp_path / "out", build_small_config(), CARD, words=WORDS)
    assert not list((tmp_path / "out").iterdir())


def test_the_index_names_every_weight_once(tmp_path: Path) -> None:
    dummy_checkpoint.write_dummy_checkpoint(tmp_path, build_small_config(), CARD, words=WORDS)
    index = json.loads((tmp_path / dummy_checkpoint.INDEX_NAME).read_text())
    assert set(index["weight_map"].values()) == {path.name for path in tmp_path.glob("*.safetensors")}
