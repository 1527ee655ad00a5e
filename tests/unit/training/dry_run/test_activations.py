from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import CheckpointCard
from training.dry_run import activations
from training.dry_run.activations import Batch
from training.qwen import patch_embedding, tensors
from training.qwen import sizes as qwen_sizes
from training.tiny_model import architecture


def kept_bytes(model: Qwen2_5_VLForConditionalGeneration, batch: tensors.Batch) -> int:
    """Of all that autograd keeps until backward, each piece of memory once, the parameters left out."""
    known = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    held: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            held[storage._cdata] = storage  # held, so that no other piece gets its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = model.model(**batch, use_cache=False).last_hidden_state
        (hidden * torch.ones_like(hidden, requires_grad=True)).sum()  # the head keeps the last states
    return sum(storage.nbytes() for storage in held.values())


def in_hand(batch: tensors.Batch) -> Batch:
    return Batch(*batch["input_ids"].shape, len(batch["pixel_values"]))


def model_of(tokenizer: PreTrainedTokenizerFast, text: dict[str, int], vision: dict[str, int]) -> torch.nn.Module:
    config = architecture.build_tiny_model(tokenizer, 0).config
    for part, changes in ((config.text_config, text), (config.vision_config, vision)):
        for name, value in changes.items():
            setattr(part, name, value)
    model = Qwen2_5_VLForConditionalGeneration(config)
    patch_embedding.embed_by_product(model)
    return model.train()


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("text", "vision"),
    [({}, {}), ({"intermediate_size": 2048, "num_key_value_heads": 2}, {}), ({}, {"intermediate_size": 1024})],
)
def test_activations_are_what_autograd_keeps(
    tokenizer: PreTrainedTokenizerFast,
    rows: list[tensors.Batch],
    text: dict[str, int],
    vision: dict[str, int],
    several: bool,
) -> None:
    model, batch = model_of(tokenizer, text, vision), rows[several]
    planned = activations.count_activation_bytes(model.config, in_hand(batch), checkpointing=False, stream=4, product=4)
    assert planned == pytest.approx(kept_bytes(model, batch), rel=0.05)


def test_with_checkpointing_only_the_inputs_of_layers_are_kept(
    tokenizer: PreTrainedTokenizerFast, rows: list[tensors.Batch]
) -> None:
    model, batch = model_of(tokenizer, {}, {}), rows[1]
    model.gradient_checkpointing_enable({"use_reentrant": False})
    hand, config = in_hand(batch), model.config
    planned = activations.count_activation_bytes(config, hand, checkpointing=True, stream=4, product=4)
    one_layer = (
        activations.count_activation_bytes(config, hand, checkpointing=False, stream=4, product=4)
        - activations.count_activation_bytes(_one_layer_less(config), hand, checkpointing=False, stream=4, product=4)
    )  # fmt: skip
    assert planned - one_layer == pytest.approx(kept_bytes(model, batch), rel=0.05)


def _one_layer_less(config: object) -> object:
    less = type(config).from_dict(config.to_dict())
    less.text_config.num_hidden_layers -= 1
    return less


def test_the_largest_batch_holds_every_crop_and_the_longest_answer() -> None:
    largest = Batch.build_largest(CheckpointCard(max_crops=8), rows=1, answer_tokens=512)
    assert largest.patches == 4 * (334 + 8 * 144)
    fewer = Batch.build_largest(CheckpointCard(max_crops=4), rows=2, answer_tokens=512)
    assert fewer.length == largest.length - 4 * 144
    assert replace(largest, rows=3).tokens == 3 * largest.length
    scan = Batch.build_largest(CheckpointCard(), rows=1, answer_tokens=512, crops=0)
    assert scan.patches == 4 * 334


def test_a_forward_pass_holds_at_least_its_widest_tensors(
    tokenizer: PreTrainedTokenizerFast, rows: list[tensors.Batch]
) -> None:
    model, batch = model_of(tokenizer, {"intermediate_size": 2048}, {}).eval(), rows[1]
    hand = in_hand(batch)
    widest = {"now": 0, "most": 0}

    def count(module: torch.nn.Module, args: object, output: torch.Tensor) -> None:
        widest["most"] = max(widest["most"], output.nbytes)

    for layer in model.model.language_model.layers:
        layer.mlp.up_proj.register_forward_hook(count)
    with torch.no_grad():
        model(**batch, use_cache=False, logits_to_keep=1)
    planned = activations.count_forward_bytes(model.config, hand, stream=4, product=4)
    assert 3 * widest["most"] <= planned <= 4 * widest["most"]


def test_the_cache_of_a_generation_is_counted(tokenizer: PreTrainedTokenizerFast, rows: list[tensors.Batch]) -> None:
    model, batch = model_of(tokenizer, {"num_key_value_heads": 2}, {}).eval(), rows[1]
    with torch.no_grad():
        cache = model(**batch, use_cache=True, logits_to_keep=1).past_key_values
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert held == in_hand(batch).tokens * qwen_sizes.count_keys_per_token(model.config) * 8
