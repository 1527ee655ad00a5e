import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.checkpoint import Checkpoint
from pipeline.verdict import Verdict
from tests.support.training_runs import TrainingGround, read_log
from training.__main__ import main
from training.dataset import manifest
from training.runs.publishing import digest_entries

STEPS = 12


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> TrainingGround:
    return TrainingGround.build(tmp_path_factory.mktemp("ground"))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_THREADS", "1")


@pytest.fixture(scope="module")
def whole(ground: TrainingGround, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train once without a disturbance."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOOMIN_TRAIN_THREADS", "1")
        assert main(ground.build_arguments(out)) == 0
    return out


def test_a_run_ends_with_a_checkpoint_and_says_what_it_was(ground: TrainingGround, whole: Path) -> None:
    start, published = Checkpoint.read(ground.model), Checkpoint.read(whole)
    assert published.revision != start.revision
    assert published.card.trained_on == digest_entries(list(manifest.read_manifest(ground.data)))
    assert published.card.box_frame == start.card.box_frame
    config = json.loads((whole / "sft" / "configuration.json").read_text())
    assert (config["values"]["rows"], config["steps"], config["start"]["revision"]) == (2, STEPS, start.revision)
    before, after = (load_file(path / "model.safetensors") for path in (ground.model, whole))
    assert {name: tensor.dtype for name, tensor in after.items()} == dict.fromkeys(before, torch.bfloat16)
    assert [name for name in before if not torch.equal(before[name], after[name])]


def test_each_step_tells_its_rows_and_its_speed(whole: Path) -> None:
    lines = read_log(whole)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert sorted(number for line in lines[:8] for number in line["rows"]) == list(range(16))
    assert all(line["tokens"] > 0 and line["tokens_per_s"] > 0 for line in lines)
    assert sum(line["loss"] for line in lines[-3:]) < sum(line["loss"] for line in lines[:3])


def test_a_finished_checkpoint_is_not_trained_over(
    ground: TrainingGround, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ground.build_arguments(whole)) == 2
    assert "holds a finished checkpoint" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_run_before_it_spoils_a_checkpoint(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(ground.build_arguments(out, "--learning-rate", "1e30", "--save-every", "1")) == 1
    output = capsys.readouterr().err
    assert "stays and the same command goes on from there" in output
    assert "start anew with a lower --learning-rate and another --out" in output
    assert main(ground.build_arguments(out, "--learning-rate", "1e-5", "--save-every", "1")) == 2
    assert "name another --out" in capsys.readouterr().err
    weights = list((out / "sft").glob("checkpoint-*/model.safetensors"))
    assert weights
    assert all(bool(tensor.isfinite().all()) for path in weights for tensor in load_file(path).values())


def test_adapters_are_part_of_the_weights_at_the_end(ground: TrainingGround, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(ground.build_arguments(out, "--lora", "--epochs", "0.5")) == 0
    before, after = (load_file(path / "model.safetensors") for path in (ground.model, out))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("q_proj" in name for name in changed)
    assert any("visual.blocks" in name for name in changed)
    assert not any("norm" in name or "embed" in name or "bias" in name for name in changed)


def test_a_set_of_one_class_is_refused_and_so_is_one_with_faults(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = list(manifest.read_manifest(ground.data))
    given = TrainingGround(ground.model, tmp_path)

    def refuse(lines: list[manifest.LabeledImage]) -> str:
        (tmp_path / manifest.NAME).write_text("".join(line.model_dump_json() + "\n" for line in lines))
        assert main(given.build_arguments(tmp_path / "out")) == 2
        return capsys.readouterr().err

    one_class = [entry.model_copy(update={"label": Verdict.REAL}) for entry in entries]
    assert "too one-sided to train on: 8 real, 0 generated; the smaller class needs 20% of all" in refuse(one_class)
    assert "8 of 8 images of" in (output := refuse(entries))
    assert "8 file_unreadable" in output


def test_a_set_that_nobody_explained_is_refused(
    ground: TrainingGround, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    unexplained = [
        (entry, {"file": str(ground.data / entry.file), "explanations": None})
        for entry in manifest.read_manifest(ground.data)
    ]
    lines = [entry.model_copy(update=fields) for entry, fields in unexplained]
    (data / manifest.NAME).write_text("".join(line.model_dump_json() + "\n" for line in lines))
    assert main(TrainingGround(ground.model, data).build_arguments(tmp_path / "out")) == 2
    assert "8 of 8 images have no explanation" in capsys.readouterr().err
