"""The tiny model from random weights to a checkpoint, on four scenes."""

from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from training.tiny_model import tiny
from training.tiny_model.run_config import Mix, TinyRun


@pytest.mark.timeout(1200)
def test_a_run_ends_with_a_checkpoint_and_is_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = TinyRun(scenes=4, warm_up_steps=1, sft_steps=2, mix=Mix(scans=2, checks=1))
    tiny.train_tiny_model(run, out=tmp_path / "model", cache=tmp_path / "cache", workers=1)
    checkpoint = Checkpoint.read(tmp_path / "model")
    assert checkpoint.card.box_frame == "thousand"
    assert checkpoint.card.trained_on == run.digest
    assert sum(file.stat().st_size for file in (tmp_path / "model").iterdir()) < 12_000_000, (
        "2.8 million weights in float32"
    )
    capsys.readouterr()
    tiny.train_tiny_model(run, out=tmp_path / "again", cache=tmp_path / "cache", workers=1)
    assert Checkpoint.read(tmp_path / "again").revision == checkpoint.revision
    assert "step 1" not in capsys.readouterr().err  # nothing was done twice
