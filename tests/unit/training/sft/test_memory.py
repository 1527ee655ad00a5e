from dataclasses import replace

import pytest
import torch
from transformers import AutoProcessor, PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import CheckpointCard
from training.dataset import manifest
from training.qwen import patch_embedding, tensors
from training.qwen import sizes as qwen_sizes
from training.runs import adapters
from training.sft import memory
from training.sft import profiles as sft_profiles
from training.sft import rows as sft_rows
from training.sft import trainer as sft_trainer
from training.sft.memory import Batch, ParameterCount
from training.sft.profiles import PROFILES
from training.synthetic import scene_files
from training.tiny_model import architecture, tiny

CARD = CheckpointCard(**tiny.CARD)
PROFILE = PROFILES["tiny"]


@pytest.fixture(scope="module")
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
    planned = memory.count_activation_bytes(model.config, in_hand(batch), checkpointing=False, stream=4, product=4)
    assert planned == pytest.approx(kept_bytes(model, batch), rel=0.05)


def test_with_checkpointing_only_the_inputs_of_layers_are_kept(
    tokenizer: PreTrainedTokenizerFast, rows: list[tensors.Batch]
) -> None:
    model, batch = model_of(tokenizer, {}, {}), rows[1]
    model.gradient_checkpointing_enable({"use_reentrant": False})
    hand, config = in_hand(batch), model.config
    planned = memory.count_activation_bytes(config, hand, checkpointing=True, stream=4, product=4)
    one_layer = (
        memory.count_activation_bytes(config, hand, checkpointing=False, stream=4, product=4)
        - memory.count_activation_bytes(_one_layer_less(config), hand, checkpointing=False, stream=4, product=4)
    )  # fmt: skip
    assert planned - one_layer == pytest.approx(kept_bytes(model, batch), rel=0.05)


def _one_layer_less(config: object) -> object:
    less = type(config).from_dict(config.to_dict())
    less.text_config.num_hidden_layers -= 1
    return less


@pytest.mark.parametrize("trained", ["all", "lora"])
def test_weights_gradients_and_optimizer_are_the_bytes_that_a_step_leaves(
    tokenizer: PreTrainedTokenizerFast, rows: list[tensors.Batch], trained: str
) -> None:
    from peft import get_peft_model

    profile = sft_profiles.resolve_sft_profile("tiny", {"trained": trained}).values
    model = architecture.build_tiny_model(tokenizer, 0)
    counted = ParameterCount.from_model(model, profile.lora_rank if trained == "lora" else None)
    planned = memory.estimate_memory(model.config, counted, in_hand(rows[0]), profile, devices=1, on_gpu=False)
    adapted = get_peft_model(model, adapters.build_lora_config(profile)) if trained == "lora" else model
    learned = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned)
    adapted(**rows[0], labels=rows[0]["input_ids"]).loss.backward()
    optimizer.step()
    states = [entry for state in optimizer.state.values() for entry in state.values() if entry.numel() > 1]
    assert planned.weights == sum(p.numel() * p.element_size() for p in adapted.parameters())
    assert planned.gradients == sum(p.grad.nbytes for p in learned if p.grad is not None)
    assert planned.optimizer == sum(entry.nbytes for entry in states)


def test_more_devices_share_what_is_sharded_and_not_what_is_in_hand() -> None:
    config = qwen_sizes.load_config("7b")
    counted = ParameterCount.from_model(qwen_sizes.build_on_meta(config), None)
    batch = Batch.build_largest(CheckpointCard(), rows=1)
    two, eight = (memory.estimate_memory(config, counted, batch, PROFILES["paper"], devices=n) for n in (2, 8))
    assert two.weights == 4 * eight.weights
    assert (two.activations, two.copies) == (eight.activations, eight.copies)
    assert eight.total == sum((eight.weights, eight.gradients, eight.optimizer, eight.copies)) + (
        eight.activations + eight.head
    )


def test_the_largest_batch_holds_every_crop_and_the_longest_answer() -> None:
    largest = Batch.build_largest(CheckpointCard(max_crops=8), rows=1)
    assert largest.patches == 4 * (334 + 8 * 144)
    assert Batch.build_largest(CheckpointCard(max_crops=4), rows=2).length == largest.length - 4 * 144
    assert replace(largest, rows=3).tokens == 3 * largest.length


def test_adapters_are_counted_where_they_are() -> None:
    model = qwen_sizes.build_on_meta(qwen_sizes.load_config("7b"))
    assert ParameterCount.from_model(model, 8).trained == 2 * ParameterCount.from_model(model, 4).trained
    assert "proj" in adapters.MODULES
