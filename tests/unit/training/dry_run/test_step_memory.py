import pytest
import torch
from transformers import PreTrainedTokenizerFast

from pipeline.checkpoint import CheckpointCard
from training.dry_run import step_memory
from training.dry_run.activations import Batch
from training.dry_run.launch import Launch
from training.dry_run.shape import ModelShape
from training.dry_run.step_memory import MemoryPlan
from training.qwen import tensors
from training.runs import adapters
from training.sft.profiles import PROFILES, resolve_sft_profile
from training.tiny_model import architecture, tiny


@pytest.mark.parametrize("trained", ["all", "lora"])
def test_weights_gradients_and_optimizer_are_the_bytes_that_a_step_leaves(
    tokenizer: PreTrainedTokenizerFast, rows: list[tensors.Batch], trained: str
) -> None:
    from peft import get_peft_model

    profile = resolve_sft_profile("tiny", {"trained": trained}).values
    model, batch = architecture.build_tiny_model(tokenizer, 0), rows[0]
    shape = ModelShape(model.config, model, CheckpointCard(**tiny.CARD))
    hand = Batch(*batch["input_ids"].shape, len(batch["pixel_values"]))
    planned = step_memory.estimate_step(shape, hand, profile, Launch(1), checkpointing=False, on_gpu=False)
    adapted = get_peft_model(model, adapters.build_lora_config(profile)) if trained == "lora" else model
    learned = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned)
    adapted(**batch, labels=batch["input_ids"]).loss.backward()
    optimizer.step()
    states = [entry for state in optimizer.state.values() for entry in state.values() if entry.numel() > 1]
    assert planned["weights"] == sum(p.numel() * p.element_size() for p in adapted.parameters())
    assert planned["gradients"] == sum(p.grad.nbytes for p in learned if p.grad is not None)
    assert planned["optimizer"] == sum(entry.nbytes for entry in states)


def test_shards_share_the_weights_and_not_what_is_in_memory_at_once() -> None:
    shape, batch = ModelShape.read("7b"), Batch.build_largest(CheckpointCard(), rows=1, answer_tokens=512)
    two, eight = (
        step_memory.estimate_step(shape, batch, PROFILES["paper"], Launch(n, "sharded"), checkpointing=True)
        for n in (2, 8)
    )
    assert two["weights"] == 4 * eight["weights"] == shape.count_parameters(PROFILES["paper"]).all * 4 // 2
    assert (two["activations"], two["copies"]) == (eight["activations"], eight["copies"])


def test_whole_copies_on_several_gpus_hold_gradients_in_buckets_too() -> None:
    shape, batch = ModelShape.read("3b"), Batch.build_largest(CheckpointCard(), rows=1, answer_tokens=512)
    profile = resolve_sft_profile("production", {"trained": "lora"}).values
    alone, whole = (step_memory.estimate_step(shape, batch, profile, Launch(n), checkpointing=True) for n in (1, 8))
    assert whole["gradients"] == 2 * alone["gradients"]
    assert whole["weights"] == alone["weights"]


def test_the_largest_phase_is_the_peak() -> None:
    plan = MemoryPlan({"start": {"weights": 5}, "step": {"weights": 3, "gradients": 4}})
    assert (plan.largest, plan.peak_bytes) == ("step", 7)
