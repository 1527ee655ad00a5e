from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from tests.support.paths import MODEL
from tests.support.stages import PLAN
from training.settings import TrainSettings
from training.stages import start


def test_noise_falls_on_the_matrices_of_the_language_layers_alone(tmp_path: Path) -> None:
    given = Checkpoint.read(MODEL)
    plan = replace(PLAN, out=tmp_path)
    damaged = start.prepare_start(plan, 0, TrainSettings())
    before, after = (load_file(checkpoint.path / "model.safetensors") for checkpoint in (given, damaged))
    changed = {name for name in before if not before[name].float().equal(after[name].float())}
    assert changed == {name for name in before if "model.layers." in name and before[name].ndim == 2}
    name = next(name for name in sorted(changed) if "q_proj" in name)
    moved = (after[name].float() - before[name].float()).std() / before[name].float().std()
    assert float(moved) == pytest.approx(0.4, abs=0.01)
    assert damaged.card.calibration is None
    assert damaged.card.trained_on == given.card.trained_on
    assert start.prepare_start(plan, 0, TrainSettings()) == damaged, "made once"
    other = start.prepare_start(plan, 1, TrainSettings())
    assert other.revision != damaged.revision, "each seed has a damage of its own"


def test_a_start_without_damage_is_taken_as_it_is(tmp_path: Path) -> None:
    plan = replace(PLAN, out=tmp_path, noise=0.0)
    assert start.prepare_start(plan, 0, TrainSettings()) == plan.start
    assert not list(tmp_path.iterdir())


def test_a_model_that_scenes_teach_nothing_is_refused() -> None:
    given = Checkpoint.read(MODEL)
    start.refuse_other_model(given)
    other = replace(given, card=given.card.model_copy(update={"box_frame": "pixels"}))
    with pytest.raises(BadSettings, match="is no tiny model, and this experiment is on scenes"):
        start.refuse_other_model(other)
