from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from training.dry_run import disk
from training.dry_run.disk import DiskPlan
from training.dry_run.shape import ModelShape
from training.grpo.profiles import resolve_grpo_profile
from training.runs import publishing

ALL = 8_292_166_656


def test_checkpoints_of_all_parameters_of_a_7b_take_100_gb_each() -> None:
    profile = resolve_grpo_profile("production", 1, {}).values
    planned = disk.estimate_disk(ModelShape.read("7b"), profile)
    assert (planned.checkpoint, planned.published) == (12 * ALL, 2 * ALL)
    assert planned.peak_bytes == 3 * 12 * ALL + 2 * 2 * ALL


def test_checkpoints_of_adapters_hold_adapters_alone() -> None:
    shape = ModelShape.read("7b")
    profile = resolve_grpo_profile("production", 1, {"trained": "lora"}).values
    planned = disk.estimate_disk(shape, profile)
    assert planned.checkpoint == 12 * shape.count_parameters(profile).trained


def test_a_disk_without_room_is_refused_before_a_run_and_not_while_one_goes_on(tmp_path: Path) -> None:
    planned = DiskPlan(checkpoint=10**17, published=0, save_every=25)
    with pytest.raises(BadSettings, match=r"GB free and the run writes 300000000 GB at most.*--lora"):
        disk.refuse_full_disk(tmp_path / "new" / "out", planned)
    (tmp_path / "grpo").mkdir()
    (tmp_path / "grpo" / publishing.CONFIGURATION).write_text("{}")
    disk.refuse_full_disk(tmp_path, planned)
