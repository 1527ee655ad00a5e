import re
from pathlib import Path

import pytest
import torch
from peft import get_peft_model
from transformers import PreTrainedTokenizerFast

from training.grpo import profiles as grpo_profiles
from training.runs import adapters
from training.sft import profiles as sft_profiles
from training.tiny_model import architecture


def test_every_matrix_of_the_layers_has_an_adapter_and_nothing_else(tokenizer: PreTrainedTokenizerFast) -> None:
    model = architecture.build_tiny_model(tokenizer, 0)
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    chosen = {name for name, _ in model.named_modules() if re.fullmatch(adapters.MODULES, name)}
    assert chosen == linear - {"lm_head"}
    assert any(name.startswith("model.visual.merger.mlp") for name in chosen)


def test_a_profile_s_adapters_are_those_of_either_kind_of_run() -> None:
    changes = {"trained": "lora", "lora_rank": 4, "lora_alpha": 12}
    kinds = [
        sft_profiles.resolve_sft_profile("paper", changes).values,
        grpo_profiles.resolve_grpo_profile("paper", 1, changes).values,
    ]
    configs = [adapters.build_lora_config(profile) for profile in kinds]
    assert [(config.r, config.lora_alpha, config.target_modules) for config in configs] == [
        (4, 12, adapters.MODULES)
    ] * 2
    assert adapters.build_lora_config(grpo_profiles.PROFILES["paper", 1]) is None


def test_merged_weights_answer_as_the_adapter_did(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    architecture.build_tiny_model(tokenizer, 0).save_pretrained(tmp_path / "start")
    adapted = get_peft_model(
        architecture.build_tiny_model(tokenizer, 0),
        adapters.build_lora_config(grpo_profiles.resolve_grpo_profile("tiny", 1, {"trained": "lora"}).values),
    )
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save_pretrained(tmp_path / "adapter")
    whole = adapters.merge_adapter(tmp_path / "start", tmp_path / "adapter")
    ids = torch.arange(8)[None]
    plain = architecture.build_tiny_model(tokenizer, 0)
    with torch.no_grad():
        expected, found, start = (model.eval()(input_ids=ids).logits for model in (adapted, whole, plain))
    assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-4)
    assert not torch.allclose(start, expected, atol=1e-2)
