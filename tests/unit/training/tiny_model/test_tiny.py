from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from training.tiny_model import rows, tiny
from training.tiny_model.tiny import Plan


def test_what_a_run_is_trained_on_has_a_digest() -> None:
    assert Plan().digest == Plan(minutes=5, threads=2).digest
    assert len({Plan().digest, Plan(seed=1).digest, Plan(scenes=8).digest, Plan(mix=rows.Mix(4, 4)).digest}) == 4
    assert Plan(seed=60).first_scene + Plan().scenes < 7_000_000


@pytest.mark.timeout(300)
def test_a_run_ends_with_a_checkpoint_and_is_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(scenes=4, warm_up_steps=2, sft_steps=3, mix=rows.Mix(2, 1), workers=1)
    tiny.make(plan, out=tmp_path / "model", cache=tmp_path / "cache")
    checkpoint = Checkpoint.read(tmp_path / "model")
    assert checkpoint.card.box_frame == "thousand"
    assert checkpoint.card.trained_on == plan.digest
    assert sum(file.stat().st_size for file in (tmp_path / "model").iterdir()) < 10_000_000
    capsys.readouterr()
    tiny.make(plan, out=tmp_path / "again", cache=tmp_path / "cache")
    assert Checkpoint.read(tmp_path / "again").revision == checkpoint.revision
    assert "step 1" not in capsys.readouterr().err  # nothing was done twice
