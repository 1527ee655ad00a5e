from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast, TrainerControl, TrainerState, TrainingArguments

from training.errors import TrainingFailed
from training.runs import resuming
from training.runs.budget import Clock
from training.tiny_model import architecture


def test_only_whole_checkpoints_are_resumed(tmp_path: Path) -> None:
    assert resuming.find_last_checkpoint(tmp_path) is None
    for step, whole in ((100, True), (900, True), (1000, False)):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        if whole:
            resuming.write_clock(checkpoint, step / 10)
    last = resuming.find_last_checkpoint(tmp_path)
    assert last == tmp_path / "checkpoint-900"
    assert resuming.parse_step(last) == 900
    assert resuming.read_clock(last) == 90
    assert resuming.read_clock(None) == 0


def test_the_clock_makes_a_checkpoint_whole_and_the_first_process_writes_it(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-3").mkdir()
    args, control = TrainingArguments(output_dir=str(tmp_path), use_cpu=True), TrainerControl()
    keeper = resuming.ClockCallback(Clock(7.0, now=lambda: 1.0))
    keeper.on_save(args, TrainerState(global_step=3, is_world_process_zero=False), control)
    assert resuming.find_last_checkpoint(tmp_path) is None
    keeper.on_save(args, TrainerState(global_step=3), control)
    assert resuming.find_last_checkpoint(tmp_path) == tmp_path / "checkpoint-3"
    assert resuming.read_clock(tmp_path / "checkpoint-3") == 7


def test_every_weight_is_loaded(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    saved, fresh = architecture.build_tiny_model(tokenizer, 0), architecture.build_tiny_model(tokenizer, 1)
    saved.save_pretrained(tmp_path)
    resuming.load_weights(str(tmp_path), fresh)
    for (name, loaded), weight in zip(fresh.named_parameters(), saved.parameters(), strict=True):
        assert torch.equal(loaded, weight), name


def test_what_was_being_written_when_a_run_ended_does_not_count(tmp_path: Path) -> None:
    for step, whole in ((10, True), (20, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if whole:
            resuming.write_clock(tmp_path / f"checkpoint-{step}", 1.0)
    resuming.delete_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-10"]


def test_a_write_that_fails_is_one_sentence(tmp_path: Path) -> None:
    raised = pytest.raises(TrainingFailed, match=r"it could not be written \(.*\); that stays; make room")
    with raised as failed, resuming.translate_write_errors("it", "that stays"):
        torch.save({}, tmp_path / "nowhere" / "file")
    assert "\n" not in failed.value.detail


def test_an_error_of_a_device_while_writing_keeps_its_own_words() -> None:
    with pytest.raises(torch.OutOfMemoryError), resuming.translate_write_errors("it", "that stays"):
        raise torch.OutOfMemoryError("no memory")
