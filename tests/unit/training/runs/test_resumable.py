from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedTokenizerFast, PrinterCallback, Trainer, TrainingArguments

from pipeline.errors import BadSettings
from training.errors import TrainingFailed
from training.runs import resumable, resuming
from training.runs.budget import Clock
from training.runs.resumable import ResumableTrainer
from training.tiny_model import architecture


class SmallTrainer(ResumableTrainer, Trainer):
    """transformers' trainer on a model of one weight."""


def build_trainer(directory: Path, *, steps: int) -> SmallTrainer:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": (self.weight * x).square().mean()}

    shared = resumable.list_shared_arguments(directory, steps=steps, seed=0, save_every=2, report_to="none")
    args = TrainingArguments(**shared, learning_rate=0.1, remove_unused_columns=False, dataloader_pin_memory=False)
    return SmallTrainer(model=Model(), args=args, train_dataset=Dataset.from_dict({"x": [1.0] * 64}))


def test_the_rate_is_the_one_that_is_handed_in_and_checkpoints_hold_the_clock(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path, steps=4)
    trainer.train_from(None, rate=lambda step: 0.5 if step < 2 else 0.0, clock=Clock(7.0, now=lambda: 0.0), threads=1)
    assert [line["learning_rate"] for line in trainer.state.log_history if "loss" in line] == [0.05, 0.05, 0.0, 0.0]
    assert resuming.find_last_checkpoint(tmp_path) == tmp_path / "checkpoint-4"
    assert resuming.read_clock(tmp_path / "checkpoint-4") == 7.0
    assert not any(isinstance(each, PrinterCallback) for each in trainer.callback_handler.callbacks)
    assert "checkpoint-4 stays and the same command goes on from there" in trainer.describe_last_checkpoint()


def test_a_checkpoint_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path / "out", steps=2)
    (tmp_path / "out" / "checkpoint-2").write_text("a file where the directory should be")
    with pytest.raises(
        TrainingFailed, match=r"the checkpoint of step 2 could not be written .* no checkpoint was written"
    ):
        trainer.train_from(None, rate=lambda _: 1.0, clock=Clock(), threads=1)


def test_whole_weights_are_loaded_by_the_names_of_the_modules(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    saved, fresh = architecture.build_tiny_model(tokenizer, 0), architecture.build_tiny_model(tokenizer, 1)
    saved.save_pretrained(tmp_path)
    args = TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none")
    SmallTrainer(model=fresh, args=args)._load_from_checkpoint(str(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), saved.parameters(), strict=True))


def test_adapters_are_loaded_as_transformers_does_it(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    def adapt(seed: int) -> PeftModel:
        torch.manual_seed(seed)
        model = architecture.build_tiny_model(tokenizer, 0)
        return get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))

    saved, fresh = adapt(1), adapt(2)
    saved.save_pretrained(tmp_path)
    args = TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none")
    SmallTrainer(model=fresh, args=args)._load_from_checkpoint(str(tmp_path))
    weights = [{name: w for name, w in model.named_parameters() if "lora_A" in name} for model in (saved, fresh)]
    assert weights[0]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_reporter_that_is_not_installed_is_refused() -> None:
    resumable.refuse_missing_reporter("none", lambda _: None)
    resumable.refuse_missing_reporter("wandb", lambda name: name)
    with pytest.raises(BadSettings, match="--report-to wandb needs the package wandb; install it or take"):
        resumable.refuse_missing_reporter("wandb", lambda _: None)
