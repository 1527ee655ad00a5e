"""A training from nothing to its directory: it learns, it goes on after a kill, and another run is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import images
from pipeline.checkpoint import Scaling
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.baselines import crops, run, trained
from training.baselines.run import BaselinePlaces, BaselineTrainer
from training.baselines.run_config import BaselineRun
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage

SHORT = BaselineRun(
    kind="npr", backbone="resnet18", crop_px=32, batch=8, minutes=1e-4, learning_rate=3e-3, augmented_fraction=0.1
)


@pytest.fixture
def checkered(tmp_path: Path) -> Path:
    """A set whose generated images hold a checkerboard that real ones lack."""
    directory = tmp_path / "set"
    directory.mkdir()
    rng = np.random.default_rng(0)
    checkers = (np.indices((48, 48)).sum(0) % 2 * 60)[..., None]
    entries = []
    for number in range(8):
        label = Verdict.GENERATED if number % 2 else Verdict.REAL
        pixels = rng.integers(80, 120, (48, 48, 3)) + checkers * (number % 2)
        file = f"{number}.png"
        (directory / file).write_bytes(images.encode_png(Image.fromarray(pixels.astype(np.uint8))))
        entries.append(LabeledImage(file=file, label=label))
    manifest.write_manifest(directory, entries)
    return directory


def train(out: Path, data: Path, config: BaselineRun = SHORT) -> trained.TrainedBaseline:
    return run.train_baseline(config, BaselinePlaces(out, data, out), threads=1, workers=1)


def test_neighbouring_pixels_tell_a_checkerboard(checkered: Path) -> None:
    trainer = BaselineTrainer(SHORT, crops.read_training_images(checkered))
    losses = [trainer.train_step(0.0)["detector/loss"] for _ in range(25)]
    assert np.mean(losses[-5:]) < 0.3 < np.mean(losses[:3])


def test_a_run_ends_in_time_and_leaves_a_detector(checkered: Path, tmp_path: Path) -> None:
    result = train(tmp_path / "npr", checkered)
    assert (result.run, result.images, result.steps, result.scaling) == (SHORT, 8, 1, Scaling())
    assert {path.name for path in (tmp_path / "npr").iterdir()} == {
        "configuration.json", "detector.json", "log.jsonl", "weights.safetensors"
    }  # fmt: skip
    with pytest.raises(BadSettings, match="holds a trained baseline; name another directory with --out"):
        train(tmp_path / "npr", checkered)


def test_a_killed_run_goes_on_where_it_was_and_gets_the_same_weights(checkered: Path, tmp_path: Path) -> None:
    found = crops.read_training_images(checkered)
    whole, killed, again = (BaselineTrainer(SHORT, found) for _ in range(3))
    for _ in range(4):
        whole.train_step(0.2)
    for _ in range(2):
        killed.train_step(0.2)
    killed.save(tmp_path / "state.pt", 7.5)
    again.load(tmp_path / "state.pt")
    assert again.step == 2
    for _ in range(2):
        again.train_step(0.2)
    ours, theirs = whole.network.state_dict(), again.network.state_dict()
    assert all(ours[name].equal(theirs[name]) for name in ours)


def test_the_time_of_a_killed_run_counts(checkered: Path, tmp_path: Path) -> None:
    config = SHORT.model_copy(update={"minutes": 5.0})
    out = tmp_path / "npr"
    out.mkdir()
    killed = BaselineTrainer(config, crops.read_training_images(checkered))
    for _ in range(3):
        killed.train_step(0.0)
    killed.save(out / run.STATE, 301.0)  # one second beyond its time
    result = train(out, checkered, config)
    assert (result.steps, result.seconds >= 301) == (3, True)
    assert not (out / run.STATE).exists()


def test_the_log_has_a_line_every_ten_steps_and_a_plot(checkered: Path, tmp_path: Path) -> None:
    out = tmp_path / "npr"
    out.mkdir()
    config = SHORT.model_copy(update={"minutes": 5.0})
    trainer = BaselineTrainer(config, crops.read_training_images(checkered))
    seconds = iter(range(0, 400, 10))
    run.train_to_the_end(trainer, config, run.Clock(now=lambda: float(next(seconds))), out)
    lines = run.RunLog(out / run.LOG).read()
    assert [line["step"] for line in lines] == [10]
    assert lines[0].keys() == {"step", "loss", "accuracy", "learning_rate", "step_s"}
    assert (out / run.PLOT).is_file()
    assert (out / run.STATE).is_file()


def test_another_run_in_the_directory_is_refused(checkered: Path, tmp_path: Path) -> None:
    out = tmp_path / "npr"
    out.mkdir()
    (out / "configuration.json").write_text('{"kind": "cnnspot"}')
    with pytest.raises(BadSettings, match="holds another run"):
        train(out, checkered)


def test_the_rate_rises_and_then_falls_to_nothing() -> None:
    rates = [run.compute_rate(fraction, step) for fraction, step in ((0.0, 0), (0.0, 29), (0.5, 99), (1.0, 500))]
    assert rates == [pytest.approx(1 / 30), 1.0, 0.5, 0.0]
