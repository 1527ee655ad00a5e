import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, TrainerControl, TrainerState, TrainingArguments

from training.qwen import tensors
from training.runs.budget import Budget, Clock
from training.synthetic.album import Page
from training.tiny_model import architecture, rows, weighted_sft
from training.tiny_model.run_config import Mix


@pytest.fixture(scope="module")
def batch(tokenizer: PreTrainedTokenizerFast, pages: list[Page]) -> tensors.Batch:
    rng = np.random.default_rng(0)
    drawn = rows.draw_step(pages, Mix(scans=2, checks=2), rng)
    return tensors.Collator(tokenizer)([row for part in drawn for row in part])


def test_shared_instructions_change_no_state(tokenizer: PreTrainedTokenizerFast, batch: tensors.Batch) -> None:
    model = architecture.build_tiny_model(tokenizer, 0)
    hidden, start = weighted_sft.compute_last_hidden(model, batch)
    names = ("input_ids", "attention_mask", "mm_token_type_ids", "pixel_values", "image_grid_thw")
    plain = model.model(**{name: batch[name] for name in names}).last_hidden_state[:, start:]
    told = batch["attention_mask"][:, start:].bool()
    assert start > 100
    assert torch.allclose(hidden[told], plain[told], atol=1e-4)


def test_the_loss_is_the_weighted_cross_entropy_of_the_answers(
    tokenizer: PreTrainedTokenizerFast, batch: tensors.Batch
) -> None:
    model = architecture.build_tiny_model(tokenizer, 0)
    names = ("input_ids", "attention_mask", "mm_token_type_ids", "pixel_values", "image_grid_thw")
    logits = model(**{name: batch[name] for name in names}).logits[:, :-1]
    each = functional.cross_entropy(logits.flatten(0, 1), batch["labels"][:, 1:].flatten(), reduction="none")
    expected = (each * batch["weights"][:, 1:].flatten()).sum()
    assert weighted_sft.sum_weighted_loss(model, batch).item() == pytest.approx(expected.item(), rel=1e-4)


def test_different_instructions_are_refused(tokenizer: PreTrainedTokenizerFast, batch: tensors.Batch) -> None:
    ids = batch["input_ids"].clone()
    ids[1, 5] += 1
    with pytest.raises(ValueError, match="different instructions"):
        weighted_sft.compute_last_hidden(architecture.build_tiny_model(tokenizer, 0), batch | {"input_ids": ids})


def test_training_ends_with_its_budget_or_where_the_watch_says_so(tokenizer: PreTrainedTokenizerFast) -> None:
    model, watched = architecture.build_tiny_model(tokenizer, 0), list[int]()

    def watch(step: int, _model: object) -> bool:
        watched.append(step)
        return step == 2

    def ends_at(step: int, timekeeper: weighted_sft.TimekeeperCallback) -> bool:
        state = TrainerState(global_step=step)
        return timekeeper.on_step_end(
            TrainingArguments(use_cpu=True), state, TrainerControl(), model
        ).should_training_stop

    budget = Budget(4, float("inf"))
    unwatched = weighted_sft.TimekeeperCallback(budget, Clock())
    assert [ends_at(step, unwatched) for step in (1, 2, 3, 4)] == [False, False, False, True]
    timekeeper = weighted_sft.TimekeeperCallback(budget, Clock(), watch)
    assert [ends_at(step, timekeeper) for step in (1, 2)] == [False, True]
    assert watched == [1, 2]


def test_the_learning_rate_ramps_stays_and_decays_to_two_hundredths() -> None:
    rates = [weighted_sft.compute_tiny_rate(fraction=step / 1000, step=step) for step in range(1001)]
    assert rates[0] == pytest.approx(1 / weighted_sft.RAMP_STEPS)
    assert rates[100] == rates[399] == 1
    assert rates[-1] == pytest.approx(weighted_sft.LAST_RATE_FRACTION)
    assert rates[100:] == sorted(rates[100:], reverse=True)
