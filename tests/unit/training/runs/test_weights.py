import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint, CheckpointCard
from tests.support.paths import MODEL
from training.grpo import profiles as grpo_profiles
from training.runs import adapters, weights
from training.sft import profiles as sft_profiles
from training.tiny_model import architecture, tiny

STEP = 2**-7  # of bfloat16 at 1
START = {"a": torch.tensor([1.0, 1.0]), "b": torch.tensor([[1.0, 1.0]])}


def train(*updates: float) -> dict[str, torch.Tensor]:
    moved = torch.tensor(updates)
    return {"a": START["a"] + moved[:2], "b": START["b"] + moved[None, 2:]}


def build_trainer(model: Any) -> Any:
    accelerator = SimpleNamespace(get_state_dict=lambda wrapped: wrapped.state_dict())
    return SimpleNamespace(
        accelerator=accelerator, model=model, model_wrapped=model, is_world_process_zero=lambda: True
    )


def test_what_is_smaller_than_half_a_step_is_lost_in_the_cast() -> None:
    update = weights.measure_surviving_update(START, train(0.4 * STEP, 2 * STEP, 0.0, 0.0), torch.bfloat16)
    assert update.projection == pytest.approx(4 / 4.16, rel=1e-3)
    assert update.changed_fraction == 0.5
    assert not update.is_lost
    lost = weights.measure_surviving_update(START, train(0.4 * STEP, 0.3 * STEP, 0.2 * STEP, 0.0), torch.bfloat16)
    assert (lost.projection, lost.changed_fraction, lost.is_lost) == (0.0, 0.0, True)


def test_float32_loses_nothing_and_an_absent_update_has_no_share() -> None:
    update = weights.measure_surviving_update(START, train(0.4 * STEP, 0.0, 1e-6, 0.0), torch.float32)
    assert (update.projection, update.changed_fraction) == (1.0, 1.0)
    none = weights.measure_surviving_update(START, START, torch.bfloat16)
    assert (none.projection, none.changed_fraction, none.is_lost) == (None, None, False)
    assert str(none) == "published in bfloat16: training changed no weight"


@pytest.mark.parametrize(("changes", "dtype"), [({}, torch.bfloat16), ({"publish_dtype": "float32"}, torch.float32)])
def test_weights_are_published_as_the_start_unless_told_otherwise(changes: dict[str, Any], dtype: torch.dtype) -> None:
    start = Checkpoint.read(MODEL)
    for profile in (
        sft_profiles.resolve_sft_profile("production", changes).values,
        grpo_profiles.resolve_grpo_profile("production", 1, changes).values,
    ):
        assert weights.choose_publish_dtype(profile, start) == dtype


@pytest.fixture
def start(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Checkpoint:
    model = architecture.build_tiny_model(tokenizer, 0)
    tiny.write_tiny_checkpoint(model.bfloat16(), tokenizer, tmp_path / "start", CheckpointCard(**tiny.CARD))
    return Checkpoint.read(tmp_path / "start")


def test_small_steps_are_written_whole_in_float32_and_a_cast_that_undoes_them_is_a_warning(
    start: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(start.path, dtype=torch.float32)
    model.load_state_dict({name: weight * (1 + STEP / 8) for name, weight in model.state_dict().items()})
    exact = weights.write_trained_weights(build_trainer(model), start, tmp_path, torch.float32)
    assert exact
    assert exact.projection == 1
    written = load_file(tmp_path / "made" / "model.safetensors")
    assert {weight.dtype for weight in written.values()} == {torch.float32}
    assert "lm_head.weight" not in written, "it is tied"
    assert json.loads((tmp_path / "made" / "config.json").read_text())["dtype"] == "float32"
    capsys.readouterr()
    rounded = weights.write_trained_weights(build_trainer(model), start, tmp_path / "rounded", torch.bfloat16)
    assert rounded
    assert rounded.is_lost
    assert json.loads((tmp_path / "rounded" / "made" / "config.json").read_text())["dtype"] == "bfloat16"
    message = capsys.readouterr().err
    assert "of the update survived the cast" in message
    assert "publish with --publish-dtype float32, or train with a higher --learning-rate" in message


def test_adapters_are_merged_before_the_cast(
    start: Checkpoint, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    profile = grpo_profiles.resolve_grpo_profile("tiny", 1, {"trained": "lora"}).values
    model = get_peft_model(architecture.build_tiny_model(tokenizer, 0), adapters.build_lora_config(profile))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    surviving = weights.write_trained_weights(build_trainer(model), start, tmp_path, torch.bfloat16)
    assert surviving
    assert surviving.projection == pytest.approx(1, abs=0.05)
    before, after = (load_file(path / "model.safetensors") for path in (start.path, tmp_path / "made"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name].bfloat16(), after[name])}
    assert any("q_proj" in name for name in changed)
    assert not any("norm" in name or "embed" in name for name in changed)


def test_a_process_that_only_helps_writes_nothing(tmp_path: Path) -> None:
    trainer = build_trainer(torch.nn.Linear(1, 1))
    trainer.is_world_process_zero = lambda: False
    assert weights.write_trained_weights(trainer, Checkpoint.read(MODEL), tmp_path, torch.float32) is None
    assert not list(tmp_path.iterdir())
