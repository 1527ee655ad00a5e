import pytest

from pipeline.errors import BadSettings
from training.baselines.run_config import BaselineRun, resolve_baseline_run
from training.runs.run_file import NO_FILE
from training.synthetic import scenes


def test_cnnspot_alone_blurs_and_compresses() -> None:
    assert resolve_baseline_run("cnnspot", {}).augmented_fraction == 0.1
    assert resolve_baseline_run("cnnspot", {"augmented_fraction": 0.5}).augmented_fraction == 0.5
    assert resolve_baseline_run("npr", {}, NO_FILE).augmented_fraction == 0.0


def test_no_seed_reaches_held_out_scenes() -> None:
    last = BaselineRun(kind="npr", seed=60, scenes=50_000)
    assert last.first_scene + last.scenes < scenes.UNTRAINED_SEED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 3}, "batch is odd"),
        ({"minutes": 0}, "minutes is 0"),
        ({"seed": 61}, "seed is 61; it must be 60 or less"),
        ({"backbone": "vgg"}, "backbone|vgg"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        resolve_baseline_run("npr", changes)
